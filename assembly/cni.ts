export { begin, fault, finish } from "./plugin";
