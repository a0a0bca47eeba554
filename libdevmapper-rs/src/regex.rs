//! Many patterns matched at once by one automaton.
