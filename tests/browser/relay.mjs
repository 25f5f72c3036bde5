// Stands between the browser and a board: records what passes, and cuts it as networks do.
// Invariant: what passes is unchanged but for compression, which is left out so that it can be read.

import http from 'node:http';

export class Relay {
  /**
   * `pass`: everything; `no-streams`: event streams are cut and refused; `held`: they are answered and nothing of them passes;
   * `cut`: nothing passes.
   */
  #mode = 'pass';
  #open = new Set();
  #streams = new Set();
  /** Path and text of every answer so far. */
  answers = [];

  static async start(target) {
    const relay = new Relay();
    relay.target = new URL(target);
    relay.server = http.createServer((request, response) => relay.#pass(request, response));
    relay.server.on('connection', (socket) => {
      if (relay.#mode === 'cut') socket.destroy();
      relay.#open.add(socket);
      socket.on('close', () => relay.#open.delete(socket));
    });
    await new Promise((ready) => relay.server.listen(0, '127.0.0.1', ready));
    relay.url = `http://127.0.0.1:${relay.server.address().port}`;
    return relay;
  }

  set(mode) {
    this.#mode = mode;
    if (mode !== 'pass') for (const stream of this.#streams) stream.destroy();
    if (mode === 'cut') for (const socket of this.#open) socket.destroy();
  }

  #pass(request, response) {
    const streams = request.url.includes('/api/v1/stream');
    if (this.#mode === 'cut' || (this.#mode === 'no-streams' && streams)) {
      request.socket.destroy();
      return;
    }
    if (this.#mode === 'held' && streams) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      return;
    }
    const { 'accept-encoding': _, ...headers } = request.headers;
    const to = { host: this.target.hostname, port: this.target.port, path: request.url, method: request.method, headers };
    const asked = http.request(to, (answer) => {
      const record = { path: request.url, text: '' };
      this.answers.push(record);
      response.writeHead(answer.statusCode, answer.headers);
      answer.setEncoding('utf8');
      answer.on('data', (text) => {
        record.text += text;
        response.write(text);
      });
      answer.on('end', () => response.end());
      answer.on('error', () => request.socket.destroy());
    });
    asked.on('error', () => request.socket.destroy());
    if (streams) {
      this.#streams.add(request.socket);
      response.on('close', () => this.#streams.delete(request.socket));
    }
    // A browser that leaves a stream ends it at the board too.
    response.on('close', () => asked.destroy());
    request.pipe(asked);
  }

  stop() {
    this.set('cut');
    this.server.close();
  }
}
