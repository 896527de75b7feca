//! The pages for people: their links lead somewhere, and the first page is short.

use std::fs;
use std::path::{Path, PathBuf};

/// Every page of the project, by its path.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    let mut folders = vec!["openapi", "src", "tests", "deploy"]
        .into_iter()
        .map(|folder| root.join(folder))
        .collect::<Vec<_>>();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.ends_with("README.md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text
            .chars()
            .filter(|it| it.is_alphanumeric() || " -_".contains(*it));
        kept.map(|it| if it == ' ' { '-' } else { it }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut links = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        let targets = page.split("](").skip(1);
        let targets = targets.filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.starts_with("http")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => path.clone(),
                file => path.with_file_name(file),
            };
            let problem = format!("{}: {target}", path.display());
            assert!(file.exists(), "{problem}");
            if !anchor.is_empty() {
                let anchors = anchors(&fs::read_to_string(&file).unwrap());
                assert!(anchors.iter().any(|it| it == anchor), "{problem}");
            }
            links += 1;
        }
    }
    assert!(links > 50, "only {links} links were found");
}

#[test]
fn the_first_page_is_read_in_a_few_minutes() {
    let lines = include_str!("../../README.md").lines().count();
    assert!(lines <= 120, "{lines} lines");
}

/// An interactive zsh passes a comment to the command as arguments.
#[test]
fn no_command_has_a_comment_behind_it() {
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        for block in page.split("```sh\n").skip(1) {
            let commands = block.split("```").next().unwrap();
            for line in commands.lines() {
                assert!(!line.contains(" # "), "{}: {line}", path.display());
            }
        }
    }
}
