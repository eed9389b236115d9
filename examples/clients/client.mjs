// Sends requests to the actors of an arbiter: docs/protocol.md. The class works in a browser unchanged; Node before 22
// needs the package ws (Debian: node-ws), which is loaded by require: import does not look where Debian has it.
// usage: node client.mjs URL TOKEN TARGET COMMAND [ARGUMENT as JSON ...]
const Socket = globalThis.WebSocket ?? (await import("node:module")).createRequire(import.meta.url)("ws");

/** A connection: `const arbiter = await Arbiter.connect(url, token); await arbiter.send("counter", "add", 2);` */
export class Arbiter {
  #socket; #waiting = new Map(); #last = 0; #ended;

  static connect(url, token) {
    // A browser cannot set headers: the token is a subprotocol, in base64url.
    const base64 = token && btoa(String.fromCharCode(...new TextEncoder().encode(token)));
    const encoded = base64?.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const socket = new Socket(url, encoded ? ["magnetar.v1", `magnetar.token.${encoded}`] : ["magnetar.v1"]);
    return new Promise((resolve, reject) => {
      socket.onopen = () => resolve(new Arbiter(socket));
      socket.onerror = (event) => reject(new Error(event.message ?? `cannot connect to ${url}`));
    });
  }

  constructor(socket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      const { id, result, error } = JSON.parse(data);
      const failure = error && Object.assign(new Error(error.message), { name: error.type });
      // The id is null if the arbiter could not read a message: any of those that wait.
      if (id === null) return this.#fail(failure);
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (failure) waiting?.reject(failure); else waiting?.resolve(result);
    };
    socket.onclose = ({ code, reason }) => this.#fail(this.#ended = new Error(`the connection has ended: ${code} ${reason}`));
  }
  #fail(error) {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  /** Sends a request; a promise of its result. It rejects with an Error whose name is the type of the error. */
  send(target, command, ...args) {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = ++this.#last;
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#socket.send(JSON.stringify({ command, id, target, args }));
    return answer;
  }
  /** The same without an answer. */
  tell(target, command, ...args) { this.#socket.send(JSON.stringify({ command, target, args })); }
  close() { this.#socket.close(1000); }
}

if (globalThis.process?.argv[1]?.endsWith("client.mjs")) {
  const [url, token, target, command, ...args] = process.argv.slice(2);
  const arbiter = await Arbiter.connect(url, token);
  await arbiter.send(target, command, ...args.map((text) => JSON.parse(text))).then(
    (result) => console.log(JSON.stringify(result)),
    (error) => { console.error(`client.mjs: ${error.name}: ${error.message}`); process.exitCode = 1; });
  arbiter.close();
}
