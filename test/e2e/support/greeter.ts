/** A TCP service in a namespace, and a client for it: shows that a port really leads to a pod. */
import type { Netns } from "./netns.ts";
import { type Running, runIn, until } from "./process.ts";

// The scripts run in a Node of their own: a socket belongs to the namespace it is made in.
const SERVER = `
const [port, text] = process.argv.slice(1);
const server = require("node:net").createServer((socket) => socket.end(text));
server.listen(Number(port), "::", () => console.log("listening"));
`;
const CLIENT = `
const [host, port] = process.argv.slice(1);
const socket = require("node:net").connect({ host, port: Number(port), timeout: 5000 });
socket.on("timeout", () => socket.destroy(new Error("no answer")));
socket.pipe(process.stdout);
`;

/** Serves `text` on every address of the namespace until it is killed. */
export async function serve(netns: Netns, port: number, text: string): Promise<Running> {
  const argv = [process.execPath, "-e", SERVER, String(port), text];
  const server = netns.exec(argv, { timeout: 60_000 });
  await until("the service to listen", 10_000, () =>
    server.stdout().includes("listening") ? true : undefined,
  );
  return server;
}

/** What the service at `address` says to a client in the namespace. */
export async function fetchFrom(netns: Netns, address: string, port: number): Promise<string> {
  const argv = [process.execPath, "-e", CLIENT, address, String(port)];
  return runIn(netns.exec, argv, { timeout: 10_000 });
}
