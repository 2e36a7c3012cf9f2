import { isGrpcServiceError } from '@temporalio/client';

/** gRPC's status codes, as far as answers depend on them. Source: https://grpc.io/docs/guides/status-codes/ */
export const GRPC = {
  CANCELLED: 1,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  RESOURCE_EXHAUSTED: 8,
  UNAVAILABLE: 14,
} as const;

/** The code of a gRPC error; undefined for any other. */
export const grpcCodeOf = (error: unknown): number | undefined =>
  isGrpcServiceError(error) ? Number(error.code) : undefined;
