/**
 * Reads a socket a bounded number of bytes at a time, with a turn of the event loop in between: the first list of a
 * large cluster is megabytes, which the NATS client would otherwise parse in one turn.
 */
import type { Socket } from 'node:net';
import type { Clock } from '@clstr/core';

/** 20 ms of parsing and applying records on a slow machine. */
const BYTES_PER_TURN = 131_072;

export function paceReading(socket: Socket, clock: Clock): void {
  let left = BYTES_PER_TURN;
  socket.on('data', (chunk: Uint8Array) => {
    left -= chunk.length;
    if (left > 0) return;
    left = BYTES_PER_TURN;
    socket.pause();
    clock.macrotask(() => {
      socket.resume();
    });
  });
}
