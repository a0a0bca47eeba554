//! Groups: several reports in one output.
//!
//! A group is a stack. Its elements are reports and groups inside it; output of a report depends on where in the stack
//! it is. In JSON the root and unnamed groups are objects, named groups are arrays.

use std::cell::RefCell;
use std::rc::Rc;

use crate::log_error;
use crate::{Error, log_warn};

use super::output::RowForm;
use super::{Flags, Printer, Report, logged};

/// A report that can be in a group.
pub type SharedReport<'a> = Rc<RefCell<Report<'a>>>;

/// Form of the output of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// One report, as it is without a group.
    Single,
    /// Reports with their names as titles.
    Basic,
    /// JSON in which all values are strings.
    Json,
    /// JSON with numbers, nulls and arrays.
    JsonStd,
}

impl GroupKind {
    fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::JsonStd)
    }
}

/// Blanks for each level of JSON.
const INDENT: usize = 4;

/// What of a report a group changes.
#[derive(Debug)]
struct Saved {
    flags: Flags,
    headings_printed: bool,
}

#[derive(Debug)]
enum Content<'a> {
    Report(SharedReport<'a>, Saved),
    Group,
}

#[derive(Debug)]
struct Element<'a> {
    content: Content<'a>,
    name: Option<Vec<u8>>,
    /// An element inside this one has been popped.
    has_past: bool,
    /// Its beginning was printed: its end must be.
    open: bool,
    /// It has a `{` of its own around it.
    wrapped: bool,
}

#[derive(Debug)]
struct State<'a> {
    kind: GroupKind,
    /// Without the root.
    stack: Vec<Element<'a>>,
    root_has_past: bool,
    root_popped: bool,
    /// The `{` of the root was printed.
    begun: bool,
    /// Levels of JSON that are open.
    depth: usize,
}

/// Where a report is.
#[derive(Debug)]
pub(super) struct Membership<'a> {
    state: Rc<RefCell<State<'a>>>,
    /// Place in the stack.
    place: usize,
}

/// A group of reports.
pub struct Group<'a> {
    state: Rc<RefCell<State<'a>>>,
    printer: Rc<dyn Printer>,
}

impl std::fmt::Debug for Group<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl State<'_> {
    /// Place of the group around the element at `place`; `None` is the root.
    fn parent(&self, place: usize) -> Option<usize> {
        self.stack[..place]
            .iter()
            .rposition(|e| matches!(e.content, Content::Group))
    }

    fn has_past(&self, parent: Option<usize>) -> bool {
        parent.map_or(self.root_has_past, |p| self.stack[p].has_past)
    }

    fn set_past(&mut self, parent: Option<usize>) {
        match parent {
            Some(parent) => self.stack[parent].has_past = true,
            None => self.root_has_past = true,
        }
    }

    /// Prints a line of JSON at the current depth.
    fn line(&self, printer: &dyn Printer, parts: &[&[u8]]) {
        let mut line = vec![b' '; INDENT * self.depth];
        for part in parts {
            line.extend_from_slice(part);
        }
        printer.print(&line);
    }

    fn begin_document(&mut self, printer: &dyn Printer) {
        if !std::mem::replace(&mut self.begun, true) {
            self.line(printer, &[b"{"]);
            self.depth += 1;
        }
    }

    /// Prints the beginning of an element.
    fn open(&mut self, place: usize, printer: &dyn Printer) {
        self.begin_document(printer);
        let parent = self.parent(place);
        if self.has_past(parent) {
            self.line(printer, &[b","]);
        }
        let in_array = parent.is_some_and(|p| self.stack[p].name.is_some());
        self.stack[place].open = true;
        match self.stack[place].name.clone() {
            Some(name) => {
                if in_array {
                    self.line(printer, &[b"{"]);
                    self.depth += 1;
                    self.stack[place].wrapped = true;
                }
                self.line(printer, &[b"\"", &name, b"\": ["]);
            }
            None => self.line(printer, &[b"{"]),
        }
        self.depth += 1;
    }

    /// Prints the end of an element that was opened.
    fn close(&mut self, element: &Element<'_>, printer: &dyn Printer) {
        if !element.open {
            return;
        }
        self.depth = self.depth.saturating_sub(1);
        let end: &[u8] = match (&element.content, &element.name) {
            (Content::Group, None) => b"}",
            _ => b"]",
        };
        self.line(printer, &[end]);
        if element.wrapped {
            self.depth = self.depth.saturating_sub(1);
            self.line(printer, &[b"}"]);
        }
    }
}

impl<'a> Group<'a> {
    /// Creates a group.
    ///
    /// # Errors
    /// [`GroupKind::JsonStd`] in a locale whose radix character is not `.` (logged).
    pub fn new(kind: GroupKind, printer: Rc<dyn Printer>) -> Result<Self, Error> {
        if kind == GroupKind::JsonStd && crate::locale::radix() != b"." {
            return Err(logged(
                "dm_report: incompatible locale used for report group type JSON_STD: the radix character is not '.'"
                    .into(),
            ));
        }
        let state = State {
            kind,
            stack: Vec::new(),
            root_has_past: false,
            root_popped: false,
            begun: false,
            depth: 0,
        };
        Ok(Self {
            state: Rc::new(RefCell::new(state)),
            printer,
        })
    }

    /// Puts a report, or with `None` a group inside this one, on top of the stack.
    ///
    /// # Errors
    /// Logged: a second report of a [`GroupKind::Single`] group; an unnamed group at the top level of JSON; an unnamed report in
    /// JSON; a report that is in a group already, or that is being used.
    pub fn push(&mut self, report: Option<SharedReport<'a>>, name: Option<&[u8]>) -> Result<(), Error> {
        let mut state = self.state.borrow_mut();
        let place = state.stack.len();
        let has_report = state.stack.iter().any(|e| matches!(e.content, Content::Report(..)));
        if state.kind == GroupKind::Single && report.is_some() && has_report {
            return Err(logged(
                "dm_report: unable to add more than one report to current report group".into(),
            ));
        }
        if state.kind.is_json() && report.is_none() && name.is_none() && state.parent(place).is_none() {
            return Err(logged(
                "dm_report: can't use unnamed object at top level of JSON output".into(),
            ));
        }
        if state.kind.is_json() && report.is_some() && name.is_none() {
            return Err(logged("dm_report: a report in JSON output must have a name".into()));
        }
        let content = match report {
            Some(report) => {
                let Ok(mut member) = report.try_borrow_mut() else {
                    return Err(logged("Internal error: report is in use".into()));
                };
                if member.membership.is_some() {
                    return Err(logged("Internal error: report is in a group already".into()));
                }
                let saved = Saved {
                    flags: member.flags,
                    headings_printed: member.headings_printed,
                };
                match state.kind {
                    GroupKind::Single => {}
                    GroupKind::Basic => {
                        if !member.flags.contains(Flags::BUFFERED) {
                            member.flags = member.flags.without(Flags::MULTIPLE_TIMES);
                        }
                    }
                    GroupKind::Json | GroupKind::JsonStd => {
                        member.flags = member
                            .flags
                            .without(Flags::ALIGNED | Flags::HEADINGS | Flags::COLUMNS_AS_ROWS)
                            .with(Flags::BUFFERED);
                    }
                }
                member.membership = Some(Membership {
                    state: Rc::clone(&self.state),
                    place,
                });
                drop(member);
                Content::Report(report, saved)
            }
            None => Content::Group,
        };
        let is_group = matches!(content, Content::Group);
        let name = name.map(<[u8]>::to_vec);
        state.stack.push(Element {
            content,
            name,
            has_past: false,
            open: false,
            wrapped: false,
        });
        if is_group {
            match state.kind {
                GroupKind::Single => {}
                GroupKind::Basic => {
                    if state.stack[place].name.is_none() && state.has_past(state.parent(place)) {
                        self.printer.print(b"");
                    }
                }
                GroupKind::Json | GroupKind::JsonStd => state.open(place, &*self.printer),
            }
        }
        Ok(())
    }

    /// Takes the top element off the stack. A report gets the form back that it had.
    ///
    /// # Errors
    /// The stack is empty (logged); popping the root once is allowed, as in the C library.
    pub fn pop(&mut self) -> Result<(), Error> {
        let mut state = self.state.borrow_mut();
        let Some(element) = state.stack.pop() else {
            if !std::mem::replace(&mut state.root_popped, true) {
                return Ok(());
            }
            return Err(logged("dm_report: dm_report_group_pop: group has no items".into()));
        };
        if state.kind.is_json() {
            state.close(&element, &*self.printer);
        }
        let parent = state.parent(state.stack.len());
        state.set_past(parent);
        drop(state);
        if let Content::Report(report, saved) = element.content {
            match report.try_borrow_mut() {
                Ok(mut report) => {
                    report.flags = saved.flags;
                    report.headings_printed = saved.headings_printed;
                    report.membership = None;
                }
                Err(_) => log_warn!("Internal error: report popped while in use"),
            }
        }
        Ok(())
    }

    /// Prints the reports of the stack from the top, and pops everything. A JSON document is complete then.
    ///
    /// # Errors
    /// A report could not be printed (logged); what is below it stays.
    pub fn output_and_pop_all(&mut self) -> Result<(), Error> {
        loop {
            let top = match self.state.borrow().stack.last() {
                None => break,
                Some(element) => match &element.content {
                    Content::Report(report, _) => Some(Rc::clone(report)),
                    Content::Group => None,
                },
            };
            if let Some(report) = top {
                let Ok(mut report) = report.try_borrow_mut() else {
                    return Err(logged("Internal error: report is in use".into()));
                };
                report.output()?;
            }
            self.pop()?;
        }
        let mut state = self.state.borrow_mut();
        if state.kind.is_json() {
            state.begin_document(&*self.printer);
            state.depth = 0;
            state.line(&*self.printer, &[b"}"]);
            state.begun = false;
        }
        Ok(())
    }
}

impl Report<'_> {
    /// What output does first without rows: whether it goes on.
    pub(super) fn begin_empty(&mut self) -> Result<bool, Error> {
        let Some(Membership { state, place }) = &self.membership else {
            return Ok(false);
        };
        let state = state.borrow();
        Ok(state.kind.is_json() && !state.stack[*place].open)
    }

    /// What comes before the rows.
    pub(super) fn begin_output(&mut self) -> Result<RowForm, Error> {
        let Some(Membership { state, place }) = &self.membership else {
            return Ok(RowForm::Plain);
        };
        let mut state = state.borrow_mut();
        let form = match state.kind {
            GroupKind::Single => return Ok(RowForm::Plain),
            GroupKind::Basic => {
                if let Some(name) = &state.stack[*place].name {
                    if state.has_past(state.parent(*place)) {
                        self.printer.print(b"");
                    }
                    self.printer.print(name);
                    self.printer.print(&vec![b'='; name.len()]);
                }
                return Ok(RowForm::Plain);
            }
            GroupKind::Json => RowForm::Json,
            GroupKind::JsonStd => RowForm::JsonStd,
        };
        state.begin_document(&*self.printer);
        if *place + 1 != state.stack.len() {
            let message = "dm_report: dm_report_output: interleaved reports detected for JSON output";
            log_error!("{message}");
            return Err(Error::Invalid(message.into()));
        }
        if state.stack[*place].open {
            let message = "dm_report: dm_report_output: unfinished JSON output detected";
            log_error!("{message}");
            return Err(Error::Invalid(message.into()));
        }
        state.open(*place, &*self.printer);
        Ok(form)
    }

    /// Blanks in front of the rows of JSON.
    pub(super) fn indentation(&self) -> usize {
        self.membership.as_ref().map_or(0, |m| m.state.borrow().depth * INDENT)
    }
}
