// Mode static: `ipam.dns` goes into the result as it is, field by field, where host-local has its
// resolvConf. Read once for its types; printed from the nodes of the config. Linear in it.
//
// Refuses what isn't texts, in the words of upstream's decoder.
import { close, item, member, open, valuePlain, valueText } from "./document";
import { fieldFound, fieldList, fieldObject, wrongType } from "./field";
import { JSON_NULL, JSON_STRING, jsonCount, jsonKind, jsonNext } from "./json";
import { jsonScalar, jsonText, jsonTextAt, jsonTextBytes } from "./jsonvalue";

// Nodes; 0 = absent or empty.
let nameservers: i32 = 0;
let domain: i32 = 0;
let search: i32 = 0;
let options: i32 = 0;

function readWords(dns: i32, name: string, field: string): i32 {
  if (!fieldList(dns, name, field, "[]string")) return -1;
  const list = fieldFound;
  if (list == 0) return 0;
  for (let e = list + 1; e < jsonNext(list); e = jsonNext(e)) {
    if (jsonKind(e) == JSON_STRING || jsonKind(e) == JSON_NULL) continue;
    wrongType(e, field, "string");
    return -1;
  }
  return jsonCount(list) == 0 ? 0 : list;
}

/** Reads `dns` of `ipam` (a node). False with a pending error. */
export function dnsRead(ipam: i32): bool {
  if (!fieldObject(ipam, "dns", "IPAMConfig.ipam.dns", "types.DNS")) return false;
  const dns = fieldFound;
  nameservers = readWords(dns, "nameservers", "DNS.ipam.dns.nameservers");
  if (nameservers < 0) return false;
  domain = dns == 0 ? 0 : jsonScalar(dns, "domain");
  if (domain != 0) {
    if (jsonKind(domain) != JSON_STRING) return wrongType(domain, "DNS.ipam.dns.domain", "string");
    jsonText(domain);
    if (jsonTextBytes == 0) domain = 0;
  }
  search = readWords(dns, "search", "DNS.ipam.dns.search");
  if (search < 0) return false;
  options = readWords(dns, "options", "DNS.ipam.dns.options");
  return options >= 0;
}

/** Does it say anything? */
export function dnsHolds(): bool {
  return nameservers != 0 || domain != 0 || search != 0 || options != 0;
}

/** Prints a list of words as member `name`, if there are any. */
function printWords(name: string, list: i32): void {
  if (list == 0) return;
  member(name);
  open(91);
  for (let e = list + 1; e < jsonNext(list); e = jsonNext(e)) {
    item();
    if (jsonKind(e) == JSON_NULL) {
      valuePlain("");
      continue;
    }
    jsonText(e);
    valueText(jsonTextAt, jsonTextBytes);
  }
  close(93);
}

function printDomain(): void {
  if (domain == 0) return;
  member("domain");
  jsonText(domain);
  valueText(jsonTextAt, jsonTextBytes);
}

/** Prints the fields into the open object, `sorted` by their names or in upstream's order. */
export function dnsPrint(sorted: bool): void {
  if (sorted) printDomain();
  printWords("nameservers", nameservers);
  if (!sorted) {
    printDomain();
    printWords("search", search);
  }
  printWords("options", options);
  if (sorted) printWords("search", search);
}
