//! Reports: fields, sorting, selection, output as text, groups and JSON.
