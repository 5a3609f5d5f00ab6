/**
 * Standard output that waits for slow readers and ends quietly when the reader has gone.
 *
 * `nfpath explain big.log | head` closes the pipe early. That is no error: what follows is thrown away, and the command
 * ends as if all had been read.
 */
export class Output {
  readonly stream: NodeJS.WriteStream;
  #isClosed = false;
  #onClosed: (() => void) | null = null;

  constructor(stream: NodeJS.WriteStream) {
    this.stream = stream;
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      this.#isClosed = true;
      this.#onClosed?.();
    });
  }

  /** True once nobody reads any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Called once, when it turns out that nobody reads any more. */
  onClosed(call: () => void): void {
    this.#onClosed = call;
  }

  /** Resolves when the stream can take more. */
  async write(text: string): Promise<void> {
    if (this.#isClosed || this.stream.write(text)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.stream.off("drain", done);
        this.stream.off("close", done);
        this.stream.off("error", done);
        resolve();
      };
      this.stream.on("drain", done);
      this.stream.on("close", done);
      this.stream.on("error", done);
    });
  }
}
