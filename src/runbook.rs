//! The embedding API: builder, load, start, resume, approve. It wires the other modules and decides nothing.
