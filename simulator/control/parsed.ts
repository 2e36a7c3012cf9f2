import type { z } from 'zod';
import { ControlError } from './control-error.ts';

/** Checks a body. @throws ControlError 400. */
export function parsed<T>(schema: z.ZodType<T>, body: unknown, what: string): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message }) => `${path.join('.') || 'the body'}: ${message}`);
  throw new ControlError(400, `This is no ${what} that the simulator knows. ${issues.join('; ')}.`, {
    cause: result.error,
  });
}
