#!/usr/bin/env node
/** `npm create clstr FOLDER`. */
import process from 'node:process';
import { answerTo } from './command.ts';

const { text, isError } = answerTo(process.argv.slice(2));
(isError ? process.stderr : process.stdout).write(`${text}\n`);
process.exitCode = isError ? 1 : 0;
