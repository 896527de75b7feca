//! The source files of the service import only what their layer allows, without import cycles.

mod imports;

use std::collections::{BTreeMap, BTreeSet};

use imports::{Module, Sources, Target, chain};

/// The modules of the crate, the lowest layer first, each with the other modules that it may import.
const LAYERS: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("clients", &[]),
    ("deadlines", &[]),
    ("violation", &[]),
    ("error", &["violation"]),
    ("budget", &["clients", "error"]),
    ("passwords", &["budget", "clients", "deadlines", "error"]),
    ("tokens", &[]),
    ("embedded", &[]),
    ("memory", &[]),
    ("metrics", &[]),
    ("contract", &["violation"]),
    (
        "db",
        &["deadlines", "violation", "error", "passwords", "metrics"],
    ),
    (
        "api",
        &[
            "budget",
            "clients",
            "deadlines",
            "violation",
            "error",
            "passwords",
            "tokens",
            "metrics",
            "contract",
            "db",
        ],
    ),
    (
        "server",
        &["clients", "deadlines", "error", "metrics", "api"],
    ),
    (
        "commands",
        &[
            "config",
            "clients",
            "deadlines",
            "error",
            "passwords",
            "tokens",
            "embedded",
            "memory",
            "metrics",
            "contract",
            "db",
            "api",
            "server",
        ],
    ),
    ("cli", &["config", "db"]),
    ("main", &["cli", "config", "commands", "db"]),
];

/// The crates that a module must not use. A name stands for every crate whose name begins with it.
const FORBIDDEN_CRATES: &[(&str, &[&str])] = &[
    ("metrics", &["poem", "hyper", "diesel"]),
    ("contract", &["poem", "diesel"]),
    ("db", &["poem"]),
    ("api", &["diesel", "mysql"]),
];

/// The resources of the shop. Within a layer their modules must not import each other.
const RESOURCES: [&str; 3] = ["users", "products", "cart"];

/// Whether two modules of one layer belong to two resources.
fn are_of_two_resources(one: &Module, other: &Module) -> bool {
    let resource = |module: &Module| {
        let is_resource = |name: &&String| RESOURCES.contains(&name.as_str());
        module.iter().find(is_resource).cloned()
    };
    let pair = resource(one).zip(resource(other));
    one.first() == other.first() && pair.is_some_and(|(one, other)| one != other)
}

#[test]
fn there_is_no_import_cycle() {
    let sources = Sources::read();
    let imports = sources.imports();
    let mut cycles: BTreeMap<BTreeSet<&Module>, String> = BTreeMap::new();
    for module in sources.0.keys() {
        if let Some(cycle) = chain(module, module, &imports) {
            let files: Vec<&str> = cycle.iter().map(|module| sources.file(module)).collect();
            cycles.insert(cycle.into_iter().collect(), files.join(" -> "));
        }
    }
    let cycles: Vec<String> = cycles.into_values().collect();
    assert_eq!(cycles, Vec::<String>::new(), "import cycles");
}

#[test]
fn a_module_imports_only_from_the_layers_below_it() {
    let sources = Sources::read();
    for (from, to) in sources.imports() {
        let (Some(upper), Some(lower)) = (from.first(), to.first()) else {
            continue;
        };
        let allowed = LAYERS.iter().find(|(name, _)| name == upper);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{upper} is not in LAYERS"));
        assert!(
            upper == lower || allowed.contains(&lower.as_str()),
            "{} imports {}",
            sources.file(from),
            sources.file(to)
        );
    }
}

#[test]
fn a_module_uses_no_crate_that_belongs_to_another_layer() {
    let sources = Sources::read();
    for source in sources.0.values() {
        for (scope, path) in &source.paths {
            let Some(Target::Crate(used)) = sources.resolve(scope, path, 0) else {
                continue;
            };
            let is_forbidden = FORBIDDEN_CRATES
                .iter()
                .filter(|(module, _)| scope.first().is_some_and(|first| first == module))
                .flat_map(|(_, crates)| *crates)
                .any(|name| used.starts_with(name));
            assert!(!is_forbidden, "{} uses {used}", source.file);
        }
    }
}

#[test]
fn the_modules_of_two_resources_do_not_import_each_other() {
    let sources = Sources::read();
    for (from, to) in sources.imports() {
        let (one, other) = (sources.file(from), sources.file(to));
        assert!(!are_of_two_resources(from, to), "{one} imports {other}");
    }
}
