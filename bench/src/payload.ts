/** The question that every contender asks and the answer it must get: 64 bytes of JSON each way. */

export interface Payload {
  seq: number;
  key: string;
  text: string;
}

export const PAYLOAD_BYTES = 64;
export const KEY_COUNT = 1_000;

const KEYS = Array.from({ length: KEY_COUNT }, (_, i) => `user-${String(i).padStart(4, '0')}`);
const TEXT = 'x'.repeat(20);

// All numbers have eight digits, even in answers, so that every payload has the same length.
const FIRST_SEQ = 10_000_000;
const LAST_SEQ = 99_999_998;

/** A question with a number that the caller chooses, for a key of nine characters. */
export function questionOf(number: number, key: string): Payload {
  return { seq: FIRST_SEQ + number, key, text: TEXT };
}

/** Builds questions with rising numbers, over all keys in turn. */
export function createQuestions(): () => Payload {
  let seq = FIRST_SEQ;
  let key = 0;
  return () => {
    seq = seq === LAST_SEQ ? FIRST_SEQ : seq + 1;
    key = key === KEY_COUNT - 1 ? 0 : key + 1;
    return { seq, key: KEYS[key]!, text: TEXT };
  };
}

/** The node's answer to a question. It differs from the question, so that an echo cannot pass. */
export function answer(question: Payload): Payload {
  return { seq: question.seq + 1, key: question.key, text: question.text };
}

/** In lists, the node fails one question in a hundred. */
export function isFailing({ seq }: Payload): boolean {
  return seq % 100 === 0;
}

/** @throws Error when the replies are not those to these very questions, each in its place. */
export function checkAnswers(questions: readonly Payload[], replies: readonly (Payload | string)[]): void {
  if (replies.length !== questions.length)
    throw new Error(`${replies.length} of ${questions.length} replies`);
  questions.forEach((question, i) => {
    const reply = replies[i]!;
    if (typeof reply !== 'string') checkAnswer(question, reply);
    else if (!isFailing(question) || reply !== `no answer to ${question.seq}`) throw new Error(reply);
  });
}

/** @throws Error when the reply is not the answer to this very question. */
export function checkAnswer(question: Payload, reply: Payload): void {
  if (reply.seq !== question.seq + 1 || reply.key !== question.key || reply.text !== question.text) {
    throw new Error(`wrong reply: asked ${JSON.stringify(question)}, got ${JSON.stringify(reply)}`);
  }
}

/** @throws Error when question or answer is not exactly 64 bytes as JSON. */
export function checkPayloadSize(): void {
  const question = createQuestions()();
  for (const value of [question, answer(question)]) {
    const bytes = Buffer.byteLength(JSON.stringify(value));
    if (bytes !== PAYLOAD_BYTES) throw new Error(`payload is ${bytes} bytes, not ${PAYLOAD_BYTES}`);
  }
}
