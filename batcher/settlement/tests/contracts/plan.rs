//! The runbook names the rules that a deployment gets.

use batcher_settlement::deploy::Plan;

/// The runbook, whose table of parameters has the standard rules in its last column.
const RUNBOOK: &str = include_str!("../../../../bridge/contracts/README.md");

const HOUR: u32 = 60 * 60;
const DAY: u32 = 24 * HOUR;

/// What the row of a parameter says `l1 deploy` uses, in seconds if it is a time.
fn documented(parameter: &str) -> u32 {
    let begin = format!("| `{parameter}");
    let row = RUNBOOK.lines().find(|line| line.starts_with(&begin)).expect("a row");
    let cell = row.trim_end_matches([' ', '|']).rsplit('|').next().expect("a cell").trim();
    let (number, unit) = cell.split_once(' ').unwrap_or((cell, ""));
    let number: u32 = number.parse().expect("a number");
    match unit {
        "hours" => number * HOUR,
        "days" => number * DAY,
        "" => number,
        unit => panic!("{unit} is no unit of the table"),
    }
}

#[test]
fn the_runbook_names_the_standard_rules() {
    let plan = Plan::standard(vec![]);
    let rules = &plan.parameters;
    for (parameter, value) in [
        ("ripeAge", rules.ripeAge),
        ("stallAge", rules.stallAge),
        ("strangerGap", rules.strangerGap),
        ("cutAge", rules.cutAge),
        ("superblocksPerDay", rules.superblocksPerDay.into()),
        ("registryNoticeDays", u32::from(rules.registryNoticeDays) * DAY),
        ("longestPause", rules.longestPause),
        ("delay` of the router", plan.router_delay),
    ] {
        assert_eq!(documented(parameter), value, "{parameter}");
    }
}
