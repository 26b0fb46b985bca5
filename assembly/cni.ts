export { begin, fault, finish } from "./protocol/plugin";
