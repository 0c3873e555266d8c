//! What targets are called in the code that adds and assigns them.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    env, fmt, fs,
};

use circuits_core::constrain::ledger::{Line, NamedTarget, Record};

use super::model::Model;

/// A target's name in the code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetName {
    /// The field: of the layout, as `MessageFields.amount`, or else of the struct of targets, as the line that assigns it
    /// has it, without the variable: `account.nonce`. Empty if neither says it.
    pub field: String,
    /// Its position among the elements of this field.
    pub position: usize,
    /// Whether it is part of a digest.
    pub in_digest: bool,
    /// The line that adds it to the circuit, if that names it: one that calls `new_virtual`, `new_digest` or `new_bool`.
    pub added: Option<Line>,
    /// The line that assigns it.
    pub assigned: Option<Line>,
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.field)?;
        if self.position > 0 {
            write!(f, " element {}", self.position)?;
        }
        for (verb, line) in [("added", self.added), ("assigned", self.assigned)] {
            if let Some(line) = line {
                write!(f, ", {verb} at {}:{}", line.file(), line.line())?;
            }
        }
        Ok(())
    }
}

/// What the elements of an array have in common: the line that assigns them, and what they are there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    within: Vec<Line>,
    line: Line,
    layout: &'static str,
    path: String,
    position: usize,
}

impl Group {
    fn of(named: &NamedTarget) -> Self {
        let NamedTarget { layout, element, line, within, .. } = named;
        let (path, position) = (element.path.clone(), element.position);
        Self { within: within.clone(), line, layout, path, position }
    }
}

/// The names of a circuit's classes.
#[derive(Default)]
pub(super) struct Names {
    by_class: BTreeMap<usize, TargetName>,
    /// Classes that an input assigns by name, in the order of their assignment.
    pub(super) assigned: Vec<(usize, Group)>,
}

impl Names {
    /// The names that `definition` gives, and the assignment of the honest inputs in `assignments`.
    pub(super) fn new(model: &Model<'_>, definition: &Record, assignments: &[Record]) -> Self {
        let (mut names, mut sources) = (Self::default(), Sources::default());
        for named in assignments.iter().flat_map(|record| &record.assigned) {
            let class = model.class(named.target);
            if let Entry::Vacant(vacant) = names.by_class.entry(class) {
                vacant.insert(TargetName { assigned: Some(named.line), ..sources.name(named) });
                names.assigned.push((class, Group::of(named)));
            }
        }
        for named in &definition.added {
            let name = names.by_class.entry(model.class(named.target)).or_insert_with(|| TargetName {
                field: layout_field(named).unwrap_or_default(),
                position: named.element.position,
                in_digest: named.element.in_digest,
                ..TargetName::default()
            });
            name.added.get_or_insert(named.line);
        }
        names
    }

    pub(super) fn get(&self, class: usize) -> Option<&TargetName> {
        self.by_class.get(&class)
    }
}

/// The field of a struct that [`circuits_core::layout!`] declares.
fn layout_field(named: &NamedTarget) -> Option<String> {
    let path = &named.element.path;
    let name = named.layout.split('<').next()?.rsplit("::").next()?;
    (!path.is_empty()).then(|| format!("{name}.{path}"))
}

/// The source files that lines are in.
#[derive(Default)]
struct Sources(HashMap<&'static str, Option<String>>);

impl Sources {
    fn name(&mut self, named: &NamedTarget) -> TargetName {
        let gadgets = named.within.iter().filter_map(|line| self.second_argument(line));
        let mut fields: Vec<_> = gadgets.collect();
        fields.extend(layout_field(named).or_else(|| self.second_argument(named.line)));
        let (position, in_digest) = (named.element.position, named.element.in_digest);
        TargetName { field: fields.join("."), position, in_digest, added: None, assigned: None }
    }

    /// The second argument of the call at `line`, which is what `set`, `set_target` and `set_targets` assign.
    fn second_argument(&mut self, line: Line) -> Option<String> {
        let text = self.0.entry(line.file()).or_insert_with(|| read(line.file())).as_ref()?;
        let start = text.lines().nth(line.line() as usize - 1)?.get(line.column() as usize - 1..)?;
        let rest = text.lines().skip(line.line() as usize).fold(start.to_owned(), |rest, line| {
            if is_closed(&rest) { rest } else { rest + " " + line.trim() }
        });
        let (mut depth, mut arguments) = (0_usize, vec![String::new()]);
        for character in rest.chars().skip_while(|&character| character != '(').skip(1) {
            match character {
                ')' | ']' | '}' if depth == 0 => break,
                ',' if depth == 0 => {
                    arguments.push(String::new());
                    continue;
                }
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            arguments.last_mut()?.push(character);
        }
        arguments.get(1).map(|argument| field_of(argument))
    }
}

/// Whether the first call of `text` ends in it.
fn is_closed(text: &str) -> bool {
    let [open, close] = ['(', ')'].map(|parenthesis| text.matches(parenthesis).count());
    open > 0 && close >= open
}

/// The file at `path`, which Cargo has relative to the workspace, above the package that it runs tests of.
fn read(path: &str) -> Option<String> {
    let folder = env::current_dir().ok()?;
    folder.ancestors().find_map(|folder| fs::read_to_string(folder.join(path)).ok())
}

/// The field that an expression means: without the variable that it starts from, and without what it takes to assign it.
fn field_of(expression: &str) -> String {
    let field = expression.trim().trim_start_matches(['&', '*']);
    let field = field.strip_suffix(".target").unwrap_or(field);
    field.split_once('.').map_or(field, |(_, rest)| rest).to_owned()
}
