//! Ways to reach an engine: the Linux control node, the udmd socket.
