import { systemDisk } from "../../peer/storage/system-disk.ts";
import { FrameDecoder } from "../../protocol/frame.ts";

// Preloaded into a peer: each chunk that comes is copied once before it is taken apart, and each block that is read once
// before it is sent; so that a test can see that such copies are counted.
const { push } = FrameDecoder.prototype;
FrameDecoder.prototype.push = function (chunk) {
  return push.call(this, chunk.slice());
};

const { open } = systemDisk;
systemDisk.open = async (path, mode) => {
  const file = await open(path, mode);
  const read = file.read.bind(file);
  file.read = async (into, offset) => {
    const copy = new Uint8Array(into.length);
    const bytes = await read(copy, offset);
    into.set(copy.subarray(0, bytes));
    return bytes;
  };
  return file;
};
