//! Rows in memory: one buffer for all texts, one array for all values.

use std::cmp::Ordering;

use super::schema::Kind;
use crate::percent::Percent;

/// A value. What the fields mean depends on the kind of the column:
///
/// | kind | `key` | `aux` |
/// |------|-------|-------|
/// | numeric | the sort value | - |
/// | list | index of the first item | number of items; the sorted ones follow if [`SEPARATE`] is set |
/// | other | first 8 bytes of the sort text, big endian | length of the sort text behind the text if [`SEPARATE`] is set |
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    /// Where the text begins.
    start: usize,
    /// Length of the text.
    len: u32,
    aux: u32,
    key: u64,
}

/// Bit of [`Cell::aux`]: the sort value has its own storage.
const SEPARATE: u32 = 1 << 31;

/// An item of a list: its place in the buffer.
#[derive(Clone, Copy, Debug)]
struct Item {
    start: usize,
    len: u32,
}

/// A sort value that differs from the text shown.
#[derive(Clone, Copy, Debug)]
pub enum SortValue<'a> {
    /// For text fields.
    Text(&'a [u8]),
    /// For numbers, percentages (sign-extended) and times (sign-extended).
    Number(u64),
    /// For sizes, in sectors.
    Size(f64),
}

/// Why a value was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// 1000 % and more.
    #[error("percentage too large")]
    Percentage,
    /// A text or list of 2 GiB and more.
    #[error("value too long")]
    Length,
    /// The source of the values failed.
    #[error("no value")]
    Source,
}

/// The rows of a report.
#[derive(Debug, Default)]
pub(crate) struct Store {
    text: Vec<u8>,
    items: Vec<Item>,
    cells: Vec<Cell>,
    kinds: Vec<Kind>,
    /// Of each row, whether it passes the selection.
    selected: Vec<bool>,
    /// The rows in the order they are shown in.
    order: Vec<usize>,
}

/// The key of a text: its order among texts is that of the texts, but for ties.
fn text_key(text: &[u8]) -> u64 {
    let mut key = [0; 8];
    let n = text.len().min(8);
    key[..n].copy_from_slice(&text[..n]);
    u64::from_be_bytes(key)
}

impl Store {
    pub(crate) fn new(kinds: Vec<Kind>) -> Self {
        Self {
            kinds,
            ..Self::default()
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.items.clear();
        self.cells.clear();
        self.selected.clear();
        self.order.clear();
    }

    /// Releases what [`clear`](Self::clear) keeps for the next rows, where it is much.
    pub(crate) fn shrink(&mut self) {
        fn shrink<T>(buffer: &mut Vec<T>) {
            if buffer.capacity() * size_of::<T>() > 1 << 16 {
                *buffer = Vec::new();
            }
        }
        shrink(&mut self.text);
        shrink(&mut self.items);
        shrink(&mut self.cells);
        shrink(&mut self.selected);
        shrink(&mut self.order);
    }

    /// Begins a row; it is the last one and not among the rows shown until [`keep_row`](Self::keep_row).
    pub(crate) fn begin_row(&mut self) -> usize {
        let row = self.selected.len();
        self.cells.resize(self.cells.len() + self.kinds.len(), Cell::default());
        self.selected.push(true);
        row
    }

    pub(crate) fn keep_row(&mut self, row: usize) {
        self.order.push(row);
    }

    /// Drops the last row, whose texts begin at `mark`.
    pub(crate) fn drop_row(&mut self, mark: Mark) {
        self.text.truncate(mark.text);
        self.items.truncate(mark.items);
        self.selected.pop();
        let cells = self.selected.len() * self.kinds.len();
        self.cells.truncate(cells);
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            text: self.text.len(),
            items: self.items.len(),
        }
    }

    /// Opens a value of the last row for writing.
    pub(crate) fn value(&mut self, column: usize) -> Value<'_> {
        let cell = self.cells.len() - self.kinds.len() + column;
        let (mark, kind) = (self.mark(), self.kinds[column]);
        Value {
            store: self,
            cell,
            kind,
            mark,
        }
    }

    fn cell(&self, row: usize, column: usize) -> &Cell {
        &self.cells[row * self.kinds.len() + column]
    }

    /// Rows in the order they are shown in.
    pub(crate) fn rows(&self) -> &[usize] {
        &self.order
    }

    pub(crate) fn selected(&self, row: usize) -> bool {
        self.selected[row]
    }

    pub(crate) fn set_selected(&mut self, row: usize, selected: bool) {
        self.selected[row] = selected;
    }

    /// The text shown.
    pub(crate) fn text(&self, row: usize, column: usize) -> &[u8] {
        self.cell_text(self.cell(row, column))
    }

    fn cell_text(&self, cell: &Cell) -> &[u8] {
        &self.text[cell.start..cell.start + cell.len as usize]
    }

    pub(crate) fn text_is_empty(&self, row: usize, column: usize) -> bool {
        self.cell(row, column).len == 0
    }

    pub(crate) fn text_len(&self, row: usize, column: usize) -> usize {
        self.cell(row, column).len as usize
    }

    /// Replaces the number 0 or 1 that a one-digit text shows.
    pub(crate) fn set_digit(&mut self, row: usize, column: usize, on: bool) {
        let at = row * self.kinds.len() + column;
        let cell = &mut self.cells[at];
        cell.key = u64::from(on);
        let start = cell.start;
        if cell.len == 1 {
            self.text[start] = b'0' + u8::from(on);
        }
    }

    /// The sort value of a numeric column.
    pub(crate) fn number(&self, row: usize, column: usize) -> u64 {
        self.cell(row, column).key
    }

    /// The sort value of a text column.
    pub(crate) fn sort_text(&self, row: usize, column: usize) -> &[u8] {
        self.cell_sort_text(self.cell(row, column))
    }

    fn cell_sort_text(&self, cell: &Cell) -> &[u8] {
        if cell.aux & SEPARATE == 0 {
            return self.cell_text(cell);
        }
        let start = cell.start + cell.len as usize;
        &self.text[start..start + (cell.aux & !SEPARATE) as usize]
    }

    fn items_at(&self, first: u64, count: usize) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        // An index of our own.
        let first = usize::try_from(first).unwrap_or(usize::MAX - count);
        self.items[first..first + count]
            .iter()
            .map(|item| &self.text[item.start..item.start + item.len as usize])
    }

    /// The items of a list in the order they are shown in.
    pub(crate) fn items(&self, row: usize, column: usize) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        let cell = self.cell(row, column);
        self.items_at(cell.key, (cell.aux & !SEPARATE) as usize)
    }

    /// The items of a list, sorted.
    pub(crate) fn sorted_items(&self, row: usize, column: usize) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        let cell = self.cell(row, column);
        let count = (cell.aux & !SEPARATE) as usize;
        let first = cell.key + if cell.aux & SEPARATE == 0 { 0 } else { count as u64 };
        self.items_at(first, count)
    }

    fn compare(&self, a: usize, b: usize, column: usize) -> Ordering {
        let (a, b) = (self.cell(a, column), self.cell(b, column));
        match self.kinds[column] {
            kind if kind.is_numeric() => a.key.cmp(&b.key),
            Kind::StringList => self.cell_text(a).cmp(self.cell_text(b)),
            _ => a
                .key
                .cmp(&b.key)
                .then_with(|| self.cell_sort_text(a).cmp(self.cell_sort_text(b))),
        }
    }

    /// Sorts the rows; equal ones keep their order. Each key is a column and whether it is descending.
    pub(crate) fn sort(&mut self, keys: &[(usize, bool)]) {
        let Some((&(first, descending), others)) = keys.split_first() else {
            return;
        };
        let numeric = self.kinds[first].is_numeric();
        let list = self.kinds[first] == Kind::StringList;
        // The first key decides most comparisons: keep it at hand, and the place for a stable order.
        let mut rows: Vec<(u64, u32, usize)> = Vec::with_capacity(self.order.len());
        for (place, &row) in self.order.iter().enumerate() {
            let cell = self.cell(row, first);
            let key = if list { text_key(self.cell_text(cell)) } else { cell.key };
            rows.push((
                if descending { !key } else { key },
                u32::try_from(place).unwrap_or(u32::MAX),
                row,
            ));
        }
        let turn = |order: Ordering, descending: bool| if descending { order.reverse() } else { order };
        let compare = |a: &(u64, u32, usize), b: &(u64, u32, usize)| {
            a.0.cmp(&b.0)
                .then_with(|| {
                    if numeric {
                        Ordering::Equal
                    } else {
                        turn(self.compare(a.2, b.2, first), descending)
                    }
                })
                .then_with(|| {
                    others
                        .iter()
                        .map(|&(column, descending)| turn(self.compare(a.2, b.2, column), descending))
                        .find(|order| order.is_ne())
                        .unwrap_or(Ordering::Equal)
                })
        };
        if rows.len() < u32::MAX as usize {
            rows.sort_unstable_by(|a, b| compare(a, b).then(a.1.cmp(&b.1)));
        } else {
            rows.sort_by(compare);
        }
        self.order.clear();
        self.order.extend(rows.into_iter().map(|(_, _, row)| row));
    }
}

/// How much of the buffers was in use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    text: usize,
    items: usize,
}

/// A value that a [`RowSource`](super::RowSource) fills. The last setting counts; without any, the text is empty.
#[derive(Debug)]
pub struct Value<'s> {
    store: &'s mut Store,
    cell: usize,
    kind: Kind,
    mark: Mark,
}

/// Writes `number` in decimal.
fn push_decimal(to: &mut Vec<u8>, mut number: u64) {
    let (mut digits, mut at) = ([0; 20], 20);
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    to.extend_from_slice(&digits[at..]);
}

impl Value<'_> {
    /// The kind of the field.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Begins anew: what was set before is gone.
    fn reset(&mut self) -> &mut Vec<u8> {
        self.store.text.truncate(self.mark.text);
        self.store.items.truncate(self.mark.items);
        &mut self.store.text
    }

    /// Ends the setting of a value with its own sort value.
    fn finish(&mut self, sort: SortValue<'_>) -> Result<(), ValueError> {
        let start = self.mark.text;
        let len = length(self.store.text.len() - start)?;
        let mut cell = Cell {
            start,
            len,
            aux: 0,
            key: 0,
        };
        let number = match sort {
            SortValue::Number(number) => number,
            SortValue::Size(size) => size.to_bits(),
            SortValue::Text(text) => {
                let mut bytes = [0; 8];
                let n = text.len().min(8);
                bytes[..n].copy_from_slice(&text[..n]);
                u64::from_le_bytes(bytes)
            }
        };
        match self.kind {
            kind if kind.is_numeric() => cell.key = number,
            Kind::StringList => {
                cell.key = self.mark.items as u64;
                if len > 0 {
                    self.store.items.push(Item { start, len });
                    cell.aux = 1;
                }
            }
            _ => {
                let bytes = number.to_le_bytes();
                let text = match sort {
                    SortValue::Text(text) => text,
                    // What the bytes of a number are as a C string.
                    _ => bytes.split(|b| *b == 0).next().unwrap_or_default(),
                };
                cell.aux = length(text.len())? | SEPARATE;
                cell.key = text_key(text);
                self.store.text.extend_from_slice(text);
            }
        }
        self.store.cells[self.cell] = cell;
        Ok(())
    }

    /// Ends the setting of a value that is sorted by its text.
    fn finish_plain(&mut self) -> Result<(), ValueError> {
        let start = self.mark.text;
        let len = length(self.store.text.len() - start)?;
        if self.kind.is_numeric() || self.kind == Kind::StringList {
            let mut head = [0; 8];
            let n = (len as usize).min(8);
            head[..n].copy_from_slice(&self.store.text[start..start + n]);
            return self.finish(SortValue::Number(u64::from_le_bytes(head)));
        }
        let key = text_key(&self.store.text[start..]);
        self.store.cells[self.cell] = Cell {
            start,
            len,
            aux: 0,
            key,
        };
        Ok(())
    }

    /// Sets a text, which is also the sort value.
    ///
    /// # Errors
    /// It is too long.
    pub fn text(&mut self, text: &[u8]) -> Result<(), ValueError> {
        self.reset().extend_from_slice(text);
        self.finish_plain()
    }

    /// Sets a text and the sort value.
    ///
    /// # Errors
    /// It is too long.
    pub fn text_sorted_by(&mut self, text: &[u8], sort: SortValue<'_>) -> Result<(), ValueError> {
        self.reset().extend_from_slice(text);
        self.finish(sort)
    }

    /// Sets an unsigned number.
    pub fn unsigned(&mut self, number: u64) {
        push_decimal(self.reset(), number);
        // A number is not too long.
        let _ = self.finish(SortValue::Number(number));
    }

    /// Sets a signed number.
    pub fn signed(&mut self, number: i64) {
        let text = self.reset();
        if number < 0 {
            text.push(b'-');
        }
        push_decimal(text, number.unsigned_abs());
        let _ = self.finish(SortValue::Number(number.cast_unsigned()));
    }

    /// Sets a percentage in units of 10^-6 percent; -1 (invalid) shows nothing.
    ///
    /// # Errors
    /// It is 1000 % or more.
    pub fn percent(&mut self, percent: i32) -> Result<(), ValueError> {
        use std::io::Write;
        let radix = crate::locale::radix();
        let text = self.reset();
        if Percent(percent) != Percent::INVALID {
            let start = text.len();
            let _ = write!(text, "{:.2}", Percent(percent).to_round_float(2));
            if text.len() - start > 6 {
                return Err(ValueError::Percentage);
            }
            if radix != b"." {
                let point = text.len() - 3;
                text.splice(point..=point, radix.iter().copied());
            }
        }
        self.finish(SortValue::Number(i64::from(percent).cast_unsigned()))
    }

    /// Sets a list, shown joined by `delimiter`, sorted or in its own order.
    ///
    /// # Errors
    /// It is too long.
    pub fn list<'i>(
        &mut self,
        items: impl IntoIterator<Item = &'i [u8]>,
        delimiter: &[u8],
        sorted: bool,
    ) -> Result<(), ValueError> {
        self.reset();
        let first = self.mark.items;
        if sorted {
            // Only the places of the items are sorted: they point into a copy that is then dropped.
            let mut list: Vec<&[u8]> = items.into_iter().collect();
            list.sort_unstable();
            self.join(list.into_iter(), delimiter)?;
        } else {
            self.join(items.into_iter(), delimiter)?;
        }
        let start = self.mark.text;
        let len = length(self.store.text.len() - start)?;
        if self.kind != Kind::StringList {
            self.store.items.truncate(first);
            return self.finish_plain();
        }
        let count = self.store.items.len() - first;
        let mut cell = Cell {
            start,
            len,
            aux: length(count)?,
            key: first as u64,
        };
        let store = &mut *self.store;
        if !sorted && !store.items_at(cell.key, count).is_sorted() {
            store.items.extend_from_within(first..);
            let text = &store.text;
            let bytes = |item: &Item| &text[item.start..item.start + item.len as usize];
            store.items[first + count..].sort_unstable_by(|a, b| bytes(a).cmp(bytes(b)));
            cell.aux |= SEPARATE;
        }
        store.cells[self.cell] = cell;
        Ok(())
    }

    fn join<'i>(&mut self, items: impl Iterator<Item = &'i [u8]>, delimiter: &[u8]) -> Result<(), ValueError> {
        for (n, item) in items.enumerate() {
            if n > 0 {
                self.store.text.extend_from_slice(delimiter);
            }
            let start = self.store.text.len();
            self.store.text.extend_from_slice(item);
            self.store.items.push(Item {
                start,
                len: length(item.len())?,
            });
        }
        Ok(())
    }
}

fn length(len: usize) -> Result<u32, ValueError> {
    u32::try_from(len)
        .ok()
        .filter(|len| len & SEPARATE == 0)
        .ok_or(ValueError::Length)
}
