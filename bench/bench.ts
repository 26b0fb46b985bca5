// npm run bench: command.ts says what it does.
import { benchCommand } from "./command.ts";

process.exitCode = await benchCommand(process.argv.slice(2));
