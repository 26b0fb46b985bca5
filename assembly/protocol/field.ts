// Fields of the config with the types that Go's decoder would demand, and its words where they
// differ. Every reader answers false after it has begun an error; absent and null leave the answer
// as it was.
import { parseAddress, parsePrefix } from "../address";
import { Span } from "./call";
import {
  ERROR_LIMIT,
  ERROR_PLUGIN,
  errorBegin,
  errorBytes,
  errorNumber,
  errorText,
} from "./errors";
import {
  JSON_FALSE,
  JSON_LIST,
  JSON_NULL,
  JSON_NUMBER,
  JSON_OBJECT,
  JSON_STRING,
  JSON_TRUE,
  jsonAt,
  jsonBytes,
  jsonKind,
} from "./json";
import {
  jsonInteger,
  jsonMember,
  jsonRaw,
  jsonScalar,
  jsonText,
  jsonTextAt,
  jsonTextBytes,
} from "./jsonvalue";

/** Begins the error of an upstream text. */
export function refuse(s: string): void {
  errorBegin(ERROR_PLUGIN);
  errorText(s);
}

/** Begins `<what>: <found> <things>, the limit is <limit>`. Always false. */
export function overLimit(what: string, found: i32, things: string, limit: i32): bool {
  errorBegin(ERROR_LIMIT);
  errorText(what);
  errorText(": ");
  errorNumber(found);
  errorText(things);
  errorText(", the limit is ");
  errorNumber(limit);
  return false;
}

/** Go's word for the kind of a JSON value. */
export function kindWord(node: i32): string {
  const kind = jsonKind(node);
  if (kind == JSON_NULL) return "null";
  if (kind == JSON_FALSE || kind == JSON_TRUE) return "bool";
  if (kind == JSON_NUMBER) return "number";
  if (kind == JSON_STRING) return "string";
  return kind == JSON_LIST ? "array" : "object";
}

/** Adds `json: cannot unmarshal <kind> into Go struct field <field> of type <type>`. */
export function typeText(node: i32, field: string, type: string): void {
  errorText("json: cannot unmarshal ");
  errorText(kindWord(node));
  if (jsonKind(node) == JSON_NUMBER && type == "int") {
    errorText(" ");
    errorBytes(jsonAt(node), jsonBytes(node));
  }
  errorText(" into Go struct field ");
  errorText(field);
  errorText(" of type ");
  errorText(type);
}

/** Begins the error of a wrong type. Always false. */
export function wrongType(node: i32, field: string, type: string): bool {
  errorBegin(ERROR_PLUGIN);
  typeText(node, field, type);
  return false;
}

/** Reads a text into `span`. */
export function fieldText(parent: i32, name: string, field: string, span: Span): bool {
  const node = parent == 0 ? 0 : jsonScalar(parent, name);
  if (node == 0) return true;
  if (jsonKind(node) != JSON_STRING) return wrongType(node, field, "string");
  jsonText(node);
  span.at = jsonTextAt;
  span.bytes = jsonTextBytes;
  return true;
}

/** Begins `invalid CIDR address: x` with the text that jsonText decoded. Always false. */
export function badPrefix(): bool {
  refuse("invalid CIDR address: ");
  errorBytes(jsonTextAt, jsonTextBytes);
  return false;
}

/** Did fieldPrefix or fieldAddress find something? Then parsedHi and so on have it. */
export let fieldWritten: bool = false;

/** Reads a prefix. null is the empty text to a type of Go that decodes itself: refused. */
export function fieldPrefix(parent: i32, name: string, field: string): bool {
  const node = jsonRaw(parent, name);
  fieldWritten = node != 0;
  if (node == 0) return true;
  if (jsonKind(node) == JSON_NULL) {
    refuse("invalid CIDR address: ");
    return false;
  }
  if (jsonKind(node) != JSON_STRING) return wrongType(node, field, "string");
  jsonText(node);
  return parsePrefix(jsonTextAt, jsonTextBytes) || badPrefix();
}

/** Reads an address; the empty text is none. */
export function fieldAddress(parent: i32, name: string, field: string): bool {
  const node = jsonMember(parent, name);
  fieldWritten = false;
  if (node == 0) return true;
  if (jsonKind(node) != JSON_STRING) return wrongType(node, field, "net.IP");
  jsonText(node);
  fieldWritten = jsonTextBytes != 0;
  if (!fieldWritten || parseAddress(jsonTextAt, jsonTextBytes)) return true;
  refuse("invalid IP address: ");
  errorBytes(jsonTextAt, jsonTextBytes);
  return false;
}

/** What fieldNode found; 0 = absent. */
export let fieldFound: i32 = 0;

/** Finds a value that must be an object or a list (`kind`). */
function fieldNode(parent: i32, name: string, kind: i32, field: string, type: string): bool {
  fieldFound = jsonMember(parent, name);
  if (fieldFound == 0 || jsonKind(fieldFound) == kind) return true;
  return wrongType(fieldFound, field, type);
}

/** fieldNode for an object. */
export function fieldObject(parent: i32, name: string, field: string, type: string): bool {
  return fieldNode(parent, name, JSON_OBJECT, field, type);
}

/** fieldNode for a list. */
export function fieldList(parent: i32, name: string, field: string, type: string): bool {
  return fieldNode(parent, name, JSON_LIST, field, type);
}

/** Is the node (found, not null) a whole number? Its value is in jsonNumber. */
export function fieldInteger(node: i32, field: string): bool {
  if (jsonKind(node) == JSON_NUMBER && jsonInteger(node)) return true;
  return wrongType(node, field, "int");
}
