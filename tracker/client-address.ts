/** The part of a server that knows who is at the other end of a request. */
export interface AddressSource {
  requestIP(request: Request): { readonly address: string } | null;
}

/** Tells a caller's address as an IP literal, or undefined when it cannot be known. Passed in, since behind a proxy or on
 * an edge host it comes from elsewhere.
 * @param server null when the request came by no socket of ours */
export type ClientAddress = (request: Request, server: AddressSource | null) => string | undefined;

/** The same, but what was found of the last request is not looked for again: all that is done before a body is awaited asks
 * for one and the same. */
export function rememberLast(find: ClientAddress): ClientAddress {
  let last: Request | undefined;
  let address: string | undefined;
  return (request, server) => {
    if (last === request) return address;
    address = find(request, server);
    last = request;
    return address;
  };
}

/** The address of the socket: right when callers reach the tracker directly. */
export function socketAddress(request: Request, server: AddressSource | null): string | undefined {
  return server?.requestIP(request)?.address;
}

/** The address that the edge host saw: right there only, since elsewhere anybody may send this header. */
export function edgeAddress(request: Request): string | undefined {
  return request.headers.get("cf-connecting-ip") ?? undefined;
}
