//! Status lines.

use core::fmt::{self, Write};

use super::{Leg, Mirror};

impl<C> Mirror<C> {
    /// Prints the status.
    pub(crate) fn status(&self, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{}", self.legs.len())?;
        for leg in &self.legs {
            write!(out, " {}", leg.component.dev())?;
        }
        write!(out, " {}/{} 1 ", self.in_sync.ones(), self.in_sync.len())?;
        for leg in &self.legs {
            out.write_char(leg.letter())?;
        }
        match &self.log {
            None => out.write_str(" 1 core"),
            Some(log) => {
                let letter = if log.failed { 'D' } else { 'A' };
                write!(out, " 3 disk {} {letter}", log.component.dev())
            }
        }
    }
}

impl<C> Leg<C> {
    fn letter(&self) -> char {
        let errors = self.errors;
        match () {
            () if errors.write => 'D',
            () if errors.flush => 'F',
            () if errors.sync => 'S',
            () if errors.read => 'R',
            () => 'A',
        }
    }
}
