/** For authors of transports: entries, frames and addresses. */
export { payloadBytes } from './wire/codec.ts';
export { checkCallerType, envelopeLimits } from './wire/envelope.ts';
export { nodeAddress } from './wire/address.ts';
export { TOPOLOGY_ADDRESS, isNodeAddress, isTopologyAddress } from './wire/transport.ts';
export type {
  Address,
  ClientLink,
  ClusterLocation,
  EntryReceiver,
  InboundEntry,
  InboundReply,
  LinkOptions,
  NodeAddress,
  OutboundEntry,
  ReplyPort,
  ReplySink,
  ShardAddress,
  TopologyAddress,
  Subscription,
} from './wire/transport.ts';
export { framedTransport } from './wire/framed-transport.ts';
export type { FramedTransport, FramedTransportOptions } from './wire/framed-transport.ts';
export type { Engine } from './wire/engine.ts';
export type { Bus, BusListener, BusMessage, BusPort, BusSubscription } from './wire/bus.ts';
export type { TransportStats } from './wire/stats.ts';
export type { ClientWire, Outgoing, WireHost } from './wire/link.ts';
export type { ForeignReader, ServedAddress } from './wire/served-address.ts';
export type { ReplyRoutes } from './wire/reply-routes.ts';
export { payloadTooLarge } from './wire/bus.ts';
export { FRAME_MAGIC, FRAME_VERSION } from './wire/frame-layout.ts';
export { createFrameWriter, encodeBatchError } from './wire/frame-writer.ts';
export type { FrameWriter } from './wire/frame-writer.ts';
export { decodeFrame, isCrowded, isFrame } from './wire/frame-reader.ts';
export type { FrameResult, FrameVisitor } from './wire/frame-reader.ts';
export { errorFromRecord, errorToRecord, shortError } from './wire/error-record.ts';
export type { ErrorRecord } from './wire/error-record.ts';
export { isHeavyJson } from './wire/json-weight.ts';
