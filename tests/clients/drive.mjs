// Drives a live arbiter with Node's package ws. usage: drive.mjs URL CLIENT
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { WebSocket } = createRequire(import.meta.url)("ws");
const [url, path] = process.argv.slice(2);
const { Arbiter } = await import(pathToFileURL(path));
let failed = 0;
const check = (holds, what) => { if (!holds) { failed++; console.log("does not hold:", what); } };

const arbiter = await Arbiter.connect(url, "open sesame");
check(await arbiter.send("counter", "ping") === "pong", "ping");
const start = await arbiter.send("counter", "add", 0);
arbiter.tell("counter", "add", 1);
check(await arbiter.send("counter", "add", 1) === start + 2, "tells and requests in their order");
const value = { text: "€ 𝄞 \" \\", numbers: [1, -2, 3.5], none: null };
check(JSON.stringify(await arbiter.send("counter", "echo", value)) === JSON.stringify(value), "echo");
const proxy = await arbiter.send("arbiter", "find", "counter");
check(await arbiter.send(proxy, "add", 0) === start + 2, "by proxy");
check((await arbiter.send("counter", "echo", "y".repeat(1 << 20))).length === 1 << 20, "1 MiB both ways");
for (const [target, command, args, type] of [["counter", "fail", ["no"], "std::invalid_argument"],
  ["counter", "nothing", [], "CommandNotFound"], ["nobody", "ping", [], "ActorNotFound"],
  ["counter", "add", ["x"], "CodecError"], ["counter", "stop", [], "PermissionDenied"]]) {
  const name = await arbiter.send(target, command, ...args).then(() => "nothing", (error) => error.name);
  check(name === type, `${command} of ${target} fails with ${type}, not ${name}`);
}
let deep = "leaf";
for (let i = 0; i < 100; ++i) deep = [deep];
const outcome = (promise) => promise.then(() => "nothing", (error) => error);
for (const [value, what] of [["\ud800", "an unpaired surrogate"], [deep, "a value that is nested too deeply"]]) {
  const waiting = outcome(arbiter.send("counter", "dwell", 3000));
  const errors = await Promise.all([outcome(arbiter.send("counter", "echo", value)), waiting]);
  check(errors.every((error) => error.name === "JsonError"), `${what} fails all that wait: ${errors}`);
  check(await arbiter.send("counter", "ping") === "pong", `the connection goes on after ${what}`);
}
// The arbiter closes it with 1009: the message is too long.
for (const [value, what] of [["z".repeat(4 << 20), "a request that the end meets"], ["z", "a request after the end"]]) {
  const error = await outcome(arbiter.send("counter", "echo", value));
  check(/ended: 1009 ./.test(error.message), `${what}: ${error}`);
}
arbiter.close();
const program = (...args) => new Promise((resolve) => execFile(process.execPath, [path, ...args], (error, out, text) =>
  resolve([error?.code ?? 0, out, text])));
check(String(await program(url, "open sesame", "counter", "echo", "[1]")) === "0,[1]\n,", "a result is printed");
const said = await program(url, "open sesame", "counter", "fail", '"no"');
check(String(said) === "1,,client.mjs: std::invalid_argument: no\n", `one line, and 1: ${said}`);
check(await Arbiter.connect(url, "wrong").then(() => false, () => true), "a wrong token is refused");

const socket = new WebSocket(url, ["magnetar.v1"], { headers: { Authorization: "Bearer open sesame" } });
const next = (event) => new Promise((resolve) => socket.once(event, (...values) => resolve(values)));
await next("open");
socket.ping("payload");
check(String((await next("pong"))[0]) === "payload", "ping and pong");
const text = JSON.stringify({ command: "echo", id: 1, args: ["€".repeat(1000)] });
for (let i = 0; i < text.length; i += 7) socket.send(text.slice(i, i + 7), { fin: i + 7 >= text.length });
check(JSON.parse(String((await next("message"))[0])).result.length === 1000, "fragments");
socket.send("{");
check(JSON.parse(String((await next("message"))[0])).error.type === "JsonError", "bad JSON");
socket.send(Buffer.from([1]));
check((await next("close"))[0] === 1003, "a binary message ends it with 1003");
console.log("node:", failed ? "failed" : "passed");
process.exit(failed ? 1 : 0);
