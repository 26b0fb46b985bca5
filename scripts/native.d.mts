// Types of native.mjs for tests and benches; the explanations stand there.

export interface Compiler {
  command: string;
  flags: string[];
}

export interface NativeProgram {
  /** Module to translate; absent: the sources are plain C. */
  wasm?: string;
  /** Names the C functions (w2c_NAME_...) and the generated files. */
  name: string;
  sources: string[];
  out: string;
  flags?: string[];
  fixed?: boolean;
  profiled?: boolean;
  dir?: string;
}

export const root: string;
export function findCompiler(): Compiler | null;
export function numbersHeader(): string;
export function translate(options: { wasm: string; name: string; dir?: string }): Promise<string>;
export function compileNative(program: NativeProgram): Promise<string>;
export function compileHost(options: {
  wasm: string;
  out: string;
  dir?: string;
  profiled?: boolean;
  flags?: string[];
}): Promise<string>;
