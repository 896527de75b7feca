//! Finds the imports between the source files.
//!
//! Every path in the code of a file is an import, in a `use` and elsewhere. A path to a name that
//! another module re-exports counts as an import of the file that defines the name. Two kinds of
//! paths do not count: those from a file to a module that contains it (`use super::…`), since a
//! module and its submodules share private items, and those in modules called `tests`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module: the names that lead to it from the crate's root, which is empty.
pub type Module = Vec<String>;

/// Pairs of modules: the importing and the imported one.
pub type Imports<'a> = BTreeSet<(&'a Module, &'a Module)>;

/// The paths in one source file.
#[derive(Default)]
pub struct Source {
    pub file: String,
    /// Each path, with the module in which it is written.
    pub paths: Vec<(Module, Vec<String>)>,
    /// The names that `use` brings into scope, each with its path.
    aliases: BTreeMap<String, Vec<String>>,
}

/// The target of a path.
pub enum Target {
    Module(Module),
    Crate(String),
}

/// All source files, by module.
pub struct Sources(pub BTreeMap<Module, Source>);

impl Sources {
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut sources = BTreeMap::new();
        for file in files_in(&root.join("src")) {
            let name = file.strip_prefix(root).expect("a file of the project");
            let module = module_of(name);
            if module.last().is_some_and(|last| last == "tests") {
                continue;
            }
            let code = fs::read_to_string(&file).expect("a readable file");
            let mut source = Source {
                file: name.display().to_string(),
                ..Source::default()
            };
            source.add(&module, code.parse().expect("Rust code"));
            sources.insert(module, source);
        }
        Self(sources)
    }

    /// Resolves a path that is written in the module `scope`. `depth` counts the aliases that were
    /// followed: it ends a cycle of them.
    pub fn resolve(&self, scope: &[String], path: &[String], depth: usize) -> Option<Target> {
        let first = path.first()?;
        let (mut module, mut rest) = match first.as_str() {
            "crate" | "ecommerce_api" => (Module::new(), &path[1..]),
            "self" => (scope.to_vec(), &path[1..]),
            "super" => {
                let ups = path.iter().take_while(|name| *name == "super").count();
                let length = scope.len().checked_sub(ups)?;
                (scope[..length].to_vec(), &path[ups..])
            }
            _ => (scope.to_vec(), path),
        };
        let is_relative = rest.len() == path.len();
        while let Some((name, after)) = rest.split_first() {
            let mut inner = module.clone();
            inner.push(name.clone());
            if self.0.contains_key(&inner) {
                (module, rest) = (inner, after);
                continue;
            }
            let source = self.0.get(&module);
            if let Some(alias) = source.and_then(|source| source.aliases.get(name))
                && alias.as_slice() != path
                && depth < 8
            {
                let path = [alias.as_slice(), after].concat();
                return self.resolve(&module, &path, depth + 1);
            }
            if is_relative && module == scope {
                return Some(Target::Crate(name.clone()));
            }
            break;
        }
        Some(Target::Module(module))
    }

    /// The imports between files.
    pub fn imports(&self) -> Imports<'_> {
        let mut imports = BTreeSet::new();
        for (module, source) in &self.0 {
            for (scope, path) in &source.paths {
                let Some(Target::Module(target)) = self.resolve(scope, path, 0) else {
                    continue;
                };
                let target = self.0.get_key_value(&target);
                if let Some((target, _)) = target.filter(|(target, _)| !module.starts_with(target))
                {
                    imports.insert((module, target));
                }
            }
        }
        imports
    }

    pub fn file(&self, module: &Module) -> &str {
        &self.0[module].file
    }
}

impl Source {
    /// Adds all paths in the code of a module.
    fn add(&mut self, module: &[String], code: TokenStream) {
        let tokens: Vec<TokenTree> = code.into_iter().collect();
        let mut rest = tokens.as_slice();
        while let Some((token, after)) = rest.split_first() {
            match (token, after) {
                (TokenTree::Ident(word), [TokenTree::Ident(name), TokenTree::Group(body), ..])
                    if word == "mod" && body.delimiter() == Delimiter::Brace =>
                {
                    let name = name.to_string();
                    if name != "tests" {
                        self.add(&[module, &[name]].concat(), body.stream());
                    }
                    rest = &after[2..];
                }
                (TokenTree::Ident(word), _) if word == "use" => {
                    let end = after.iter().position(|token| is(token, ';'));
                    let (tree, after) = after.split_at(end.unwrap_or(after.len()));
                    self.add_use(module, &[], tree);
                    rest = after;
                }
                (TokenTree::Ident(_), _) => {
                    let (path, after) = path(rest);
                    if path.len() > 1 {
                        self.paths.push((module.to_vec(), path));
                    }
                    rest = after;
                }
                (TokenTree::Group(group), _) => {
                    self.add(module, group.stream());
                    rest = after;
                }
                _ => rest = after,
            }
        }
    }

    /// Adds the paths of a `use`. `tree` has the tokens after `use`, or those of one item in braces.
    fn add_use(&mut self, module: &[String], prefix: &[String], tree: &[TokenTree]) {
        let (tail, after) = path(tree);
        let mut path = [prefix, &tail].concat();
        if let Some(TokenTree::Group(items)) = after.iter().find(|token| !is(token, ':')) {
            let items: Vec<TokenTree> = items.stream().into_iter().collect();
            for item in items.split(|token| is(token, ',')) {
                self.add_use(module, &path, item);
            }
            return;
        }
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        let renamed = match after {
            [TokenTree::Ident(word), TokenTree::Ident(name)] if word == "as" => {
                Some(name.to_string())
            }
            _ => None,
        };
        if let Some(name) = renamed.or_else(|| path.last().cloned()) {
            self.aliases.insert(name, path.clone());
            self.paths.push((module.to_vec(), path));
        }
    }
}

/// Splits code into the path that it begins with, and the rest.
fn path(mut code: &[TokenTree]) -> (Vec<String>, &[TokenTree]) {
    let mut path = Vec::new();
    while let Some((TokenTree::Ident(name), after)) = code.split_first() {
        path.push(name.to_string());
        code = after;
        match code {
            [one, other, TokenTree::Ident(_), ..] if is(one, ':') && is(other, ':') => {
                code = &code[2..];
            }
            _ => break,
        }
    }
    (path, code)
}

fn is(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

/// The module of a file: `src/db/users.rs` is `db::users`, and `src/db/mod.rs` is `db`.
fn module_of(file: &Path) -> Module {
    let path = file.with_extension("");
    let mut module: Module = path
        .components()
        .skip(1)
        .map(|name| name.as_os_str().to_string_lossy().into_owned())
        .collect();
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
        module.pop();
    }
    module
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_in(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The shortest chain of imports from a module to another one or back to itself, without the last
/// module. None when there is no such chain.
pub fn chain<'a>(from: &'a Module, to: &Module, imports: &Imports<'a>) -> Option<Vec<&'a Module>> {
    let mut came_from: BTreeMap<&Module, &Module> = BTreeMap::new();
    let mut reached = vec![from];
    let mut next = 0;
    while let Some(&here) = reached.get(next) {
        next += 1;
        for &(_, imported) in imports.iter().filter(|(importer, _)| *importer == here) {
            if imported == to {
                let mut chain = vec![here];
                while let Some(previous) = came_from.get(chain[chain.len() - 1]) {
                    chain.push(previous);
                }
                chain.reverse();
                return Some(chain);
            }
            if !reached.contains(&imported) {
                came_from.insert(imported, here);
                reached.push(imported);
            }
        }
    }
    None
}

#[test]
fn imports_are_found_wherever_they_are_written() {
    let sources = Sources(
        [
            ("", "pub mod low; pub mod high;"),
            ("low", "mod inner; pub use inner::Thing as Renamed; pub fn work() {}"),
            ("low::inner", "pub struct Thing; fn up() { super::work() }"),
            (
                "high",
                "use std::{fmt, io as low_io}; use crate::{low::{self as base, Renamed}};
                 mod tests { use crate::missing::Item; }
                 mod nested { fn call() { super::low_io::stdin() } }
                 fn call() { write!(f, \"crate::text\", base::work()); poem::handler::<Renamed>() }",
            ),
        ]
        .into_iter()
        .map(|(name, code)| {
            let names = name.split("::").filter(|name| !name.is_empty());
            let module: Module = names.map(str::to_owned).collect();
            let mut source = Source {
                file: name.to_owned(),
                ..Source::default()
            };
            source.add(&module, code.parse().expect("Rust code"));
            (module, source)
        })
        .collect(),
    );
    let imports: Vec<(&str, &str)> = sources
        .imports()
        .into_iter()
        .map(|(from, to)| (sources.file(from), sources.file(to)))
        .collect();
    let expected = [
        ("high", "low"),
        ("high", "low::inner"),
        ("low", "low::inner"),
    ];
    assert_eq!(imports, expected);
    let high = &sources.0[&vec!["high".to_owned()]];
    let crates =
        high.paths
            .iter()
            .filter_map(|(scope, path)| match sources.resolve(scope, path, 0) {
                Some(Target::Crate(name)) => Some(name),
                _ => None,
            });
    let crates: BTreeSet<String> = crates.collect();
    assert_eq!(crates, ["poem", "std"].map(str::to_owned).into());
}
