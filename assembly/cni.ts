export { begin, fault, finish } from "./verbs/program";
