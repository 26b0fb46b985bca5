// Linux error numbers that the hosts answer with (negated), and the words Go has for them.
import { textNumber, textString } from "./text";

export const EPERM: i32 = 1;
export const ENOENT: i32 = 2;
export const ESRCH: i32 = 3;
export const EIO: i32 = 5;
export const ENXIO: i32 = 6;
export const EAGAIN: i32 = 11;
export const EACCES: i32 = 13;
export const EEXIST: i32 = 17;
export const ENOTDIR: i32 = 20;
export const EISDIR: i32 = 21;
export const EINVAL: i32 = 22;
export const ENOSPC: i32 = 28;
export const EROFS: i32 = 30;
export const EPIPE: i32 = 32;
export const ENAMETOOLONG: i32 = 36;
export const ELOOP: i32 = 40;

/**
 * Does -errno say that nothing is there (any more)? Every other one says that nobody knows, be it
 * that the kernel has no memory or no room in its table of files.
 */
export function isAbsent(status: i64): bool {
  return (
    status == -ENOENT ||
    status == -ESRCH ||
    status == -ENOTDIR ||
    status == -ENAMETOOLONG ||
    status == -ELOOP
  );
}

// Go's text, "" where we don't carry it.
function known(errno: i32): string {
  switch (errno) {
    case EPERM:
      return "operation not permitted";
    case ENOENT:
      return "no such file or directory";
    case EIO:
      return "input/output error";
    case ENXIO:
      return "no such device or address";
    case 7:
      return "argument list too long";
    case 9:
      return "bad file descriptor";
    case EAGAIN:
      return "resource temporarily unavailable";
    case 12:
      return "cannot allocate memory";
    case EACCES:
      return "permission denied";
    case 16:
      return "device or resource busy";
    case EEXIST:
      return "file exists";
    case 18:
      return "invalid cross-device link";
    case 19:
      return "no such device";
    case ENOTDIR:
      return "not a directory";
    case EISDIR:
      return "is a directory";
    case EINVAL:
      return "invalid argument";
    default:
      return rare(errno);
  }
}

function rare(errno: i32): string {
  switch (errno) {
    case 23:
      return "too many open files in system";
    case 24:
      return "too many open files";
    case 26:
      return "text file busy";
    case 27:
      return "file too large";
    case ENOSPC:
      return "no space left on device";
    case EROFS:
      return "read-only file system";
    case 31:
      return "too many links";
    case EPIPE:
      return "broken pipe";
    case ENAMETOOLONG:
      return "file name too long";
    case 37:
      return "no locks available";
    case 38:
      return "function not implemented";
    case 39:
      return "directory not empty";
    case ELOOP:
      return "too many levels of symbolic links";
    case 95:
      return "operation not supported";
    case 107:
      return "transport endpoint is not connected";
    case 110:
      return "connection timed out";
    case 116:
      return "stale NFS file handle";
    case 122:
      return "disk quota exceeded";
    default:
      return "";
  }
}

/** Writes the words for a host's answer (-errno): "permission denied", or "errno 999". */
export function textErrno(negative: i32): void {
  const words = known(-negative);
  if (words.length > 0) {
    textString(words);
  } else {
    textString("errno ");
    textNumber(-(<i64>negative));
  }
}
