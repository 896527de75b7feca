//! Released contracts never change. Runs `.ci/contract` in temporary repositories and tries everything
//! that could hide a breaking change of a released contract.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const OLDER: &str = include_str!("../../openapi/released/openapi/0.1.0.yaml");
const OLD: &str = include_str!("../../openapi/released/openapi/0.1.1.yaml");
const CONTRACT: &str = "openapi/openapi.yaml";
const RELEASED: &str = "openapi/released/openapi/0.1.1.yaml";
const PINS: &str = "openapi/released/pins";

/// A repository that has only contracts. 0.1.0 and 0.1.1 are released.
struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().expect("a directory"));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/contract");
        fs::create_dir_all(repository.at(".ci")).expect("writable");
        fs::create_dir_all(repository.at("openapi")).expect("writable");
        fs::copy(script, repository.at(".ci/contract")).expect("the script is there");
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.commit();
        for contract in [OLDER, OLD] {
            repository.write(CONTRACT, contract);
            repository.passes("release");
            repository.commit();
        }
        repository
    }

    fn at(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.at(file)).expect(file)
    }

    fn write(&self, file: &str, text: &str) {
        let directory = self.at(file).parent().map(fs::create_dir_all);
        directory.expect("a directory").expect("writable");
        fs::write(self.at(file), text).expect(file);
    }

    /// Runs git without the settings of the present user.
    fn git(&self, arguments: &[&str]) {
        let output = Command::new("git")
            .current_dir(self.0.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
            .args(arguments)
            .output()
            .expect("git is installed");
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message=A change"]);
    }

    /// Makes a breaking change to the contract without another version.
    fn shorten_titles(&self) {
        let (whole, part) = ("maxLength: 255", "maxLength: 200");
        self.write(CONTRACT, &OLD.replace(whole, part));
    }

    /// Copies the contract over the released one.
    fn overwrite(&self) {
        self.write(RELEASED, &self.read(CONTRACT));
    }

    /// Replaces the pin of 0.1.1 by that of the present file.
    fn pin_again(&self) {
        let hash = self.hash_of(RELEASED);
        let first = self.first_pin();
        self.write(PINS, &format!("{first}openapi 0.1.1 {hash}\n"));
    }

    /// The line of the pins for 0.1.0.
    fn first_pin(&self) -> String {
        let pins = self.read(PINS);
        pins.split_inclusive('\n').next().expect("a pin").to_owned()
    }

    fn hash_of(&self, file: &str) -> String {
        let output = Command::new("sha256sum").arg(self.at(file)).output();
        let said = text(&output.expect("sha256sum is installed"));
        said.split_whitespace().next().expect("a hash").to_owned()
    }

    fn run(&self, command: &str) -> Output {
        run_in(self.0.path(), command)
    }

    fn passes(&self, command: &str) -> String {
        let output = self.run(command);
        assert!(output.status.success(), "{command}: {}", text(&output));
        text(&output)
    }

    /// Checks that `compare` fails with a message that contains `words`.
    fn fails(&self, words: &str) {
        let output = self.run("compare");
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words), "not {words:?}: {said}");
    }
}

fn run_in(directory: &Path, command: &str) -> Output {
    Command::new("bash")
        .current_dir(directory)
        .env("CONTRACT_PROGRAM", env!("CARGO_BIN_EXE_ecommerce-api"))
        .arg(".ci/contract")
        .args(command.split(' '))
        .output()
        .expect("bash is installed")
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes))
        .concat()
}

const CHANGED_FILE: &str = "0.1.1.yaml is not what was released";
const CHANGED_PIN: &str = "pinned openapi 0.1.1 as";

#[test]
fn unchanged_released_contracts_pass() {
    let said = Repository::new().passes("compare");
    assert!(said.contains("0.1.0.yaml: 7 changes"), "{said}");
    assert!(said.contains("0.1.1.yaml: 0 changes"), "{said}");
}

#[test]
fn a_breaking_change_of_the_contract_fails() {
    let repository = Repository::new();
    repository.shorten_titles();
    repository.fails("set it to 0.2.0 or later");
}

#[test]
fn copying_the_contract_over_a_released_one_fails() {
    let repository = Repository::new();
    repository.shorten_titles();
    repository.overwrite();
    repository.fails(CHANGED_FILE);
    repository.commit();
    repository.fails(CHANGED_FILE);
    repository.pin_again();
    repository.fails(CHANGED_PIN);
    repository.commit();
    repository.fails(CHANGED_PIN);
}

#[test]
fn changing_a_released_contract_and_its_pin_in_one_commit_fails() {
    let repository = Repository::new();
    repository.shorten_titles();
    repository.overwrite();
    repository.pin_again();
    repository.commit();
    repository.fails(CHANGED_PIN);
}

#[test]
fn changing_a_released_contract_and_its_pin_in_a_merge_fails() {
    let repository = Repository::new();
    repository.git(&["checkout", "--quiet", "-b", "branch"]);
    repository.write("branch", "");
    repository.commit();
    repository.git(&["checkout", "--quiet", "main"]);
    repository.git(&["merge", "--quiet", "--no-ff", "--no-commit", "branch"]);
    repository.shorten_titles();
    repository.overwrite();
    repository.pin_again();
    repository.commit();
    repository.fails(CHANGED_PIN);
}

#[test]
fn a_pin_that_a_merge_added_may_not_change() {
    let repository = Repository::new();
    repository.git(&["checkout", "--quiet", "-b", "branch"]);
    repository.write("branch", "");
    repository.commit();
    repository.git(&["checkout", "--quiet", "main"]);
    repository.git(&["merge", "--quiet", "--no-ff", "--no-commit", "branch"]);
    repository.write(CONTRACT, &OLD.replace("version: 0.1.1", "version: 0.2.0"));
    repository.passes("release");
    repository.commit();
    repository.passes("compare");
    let pins = repository.read(PINS);
    let (kept, _) = pins.split_once("openapi 0.2.0").expect("the pin of 0.2.0");
    repository.write(PINS, kept);
    fs::remove_file(repository.at("openapi/released/openapi/0.2.0.yaml")).expect("the file");
    repository.commit();
    repository.fails("pinned openapi 0.2.0 as");
}

#[test]
fn changing_a_pin_fails_also_when_git_treats_the_pins_as_binary() {
    let repository = Repository::new();
    repository.write(".gitattributes", "pins binary\n");
    repository.commit();
    repository.shorten_titles();
    repository.overwrite();
    repository.pin_again();
    repository.commit();
    repository.fails(CHANGED_PIN);
}

#[test]
fn a_pin_may_move_to_another_file_but_not_change() {
    let repository = Repository::new();
    repository.git(&["mv", "openapi/released", "openapi/history"]);
    repository.git(&["mv", "openapi/history/pins", "openapi/history/hashes"]);
    let script = repository.read(".ci/contract");
    let moved = script
        .replace("released=openapi/released", "released=openapi/history")
        .replace("pins=$released/pins", "pins=$released/hashes");
    repository.write(".ci/contract", &moved);
    repository.passes("compare");
    repository.commit();
    repository.passes("compare");
    let pins = "openapi/history/hashes";
    let text = repository.read(pins);
    let (first, _) = text.split_once("openapi 0.1.1").expect("two pins");
    let zeros = "0".repeat(64);
    repository.write(pins, &format!("{first}openapi 0.1.1 {zeros}\n"));
    repository.fails(CHANGED_PIN);
}

#[test]
fn removing_a_released_contract_fails() {
    let repository = Repository::new();
    fs::remove_file(repository.at(RELEASED)).expect("the file");
    repository.fails("has openapi 0.1.1, but there is no openapi/released/openapi/0.1.1.yaml");
    repository.write(PINS, &repository.first_pin());
    repository.fails("has no such line now");
    repository.commit();
    repository.fails("has no such line now");
    fs::remove_file(repository.at(PINS)).expect("the pins");
    repository.fails("openapi/released/pins is missing");
}

#[test]
fn a_shallow_clone_says_how_to_get_the_history() {
    let repository = Repository::new();
    let clone = tempfile::tempdir().expect("a directory");
    let from = format!("file://{}", repository.0.path().display());
    let to = clone.path().display().to_string();
    repository.git(&["clone", "--quiet", "--depth=1", &from, &to]);
    let output = run_in(clone.path(), "compare");
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("git fetch --unshallow"), "{said}");
    assert!(said.contains("fetch-depth: 0"), "{said}");
}

#[test]
fn without_a_repository_the_check_fails() {
    let repository = Repository::new();
    fs::remove_dir_all(repository.at(".git")).expect("the history");
    repository.fails("run this in a clone of the repository");
}

#[test]
fn every_released_contract_has_one_pin_of_its_own() {
    let repository = Repository::new();
    let pins = repository.read(PINS);
    repository.write(&RELEASED.replace("0.1.1", "0.3.0"), OLD);
    repository.fails("0.3.0.yaml has no pin");
    fs::remove_file(repository.at("openapi/released/openapi/0.3.0.yaml")).expect("the file");
    let zeros = "0".repeat(64);
    for (more, words) in [
        (
            format!("openapi 0.1.1 {zeros}\n"),
            "more than one line for openapi 0.1.1",
        ),
        (
            format!("other 0.1.1 {zeros}\n"),
            "there is no contract called other",
        ),
        (
            format!("openapi 0.4.0 {zeros}\n"),
            "there is no openapi/released/openapi/0.4.0.yaml",
        ),
        (
            "openapi 0.4.0\n".to_owned(),
            "not '<contract> <version> <sha256>'",
        ),
        (
            format!("openapi 0.4.0  {zeros}\n"),
            "not '<contract> <version> <sha256>'",
        ),
    ] {
        repository.write(PINS, &format!("{pins}{more}"));
        repository.fails(words);
    }
}

#[test]
fn each_contract_has_releases_of_its_own() {
    const OTHER: &str = "openapi/other.yaml";
    let repository = Repository::new();
    repository.write(OTHER, OLD);
    repository.passes("release other");
    assert_eq!(repository.read("openapi/released/other/0.1.1.yaml"), OLD);
    let pins = repository.read(PINS);
    let hash = repository.hash_of(OTHER);
    assert!(pins.ends_with(&format!("\nother 0.1.1 {hash}\n")), "{pins}");
    repository.commit();
    let said = repository.passes("compare");
    assert!(said.contains("openapi/0.1.1.yaml: 0 changes"), "{said}");
    assert!(said.contains("other/0.1.1.yaml: 0 changes"), "{said}");

    let (whole, part) = ("maxLength: 255", "maxLength: 200");
    repository.write(OTHER, &OLD.replace(whole, part));
    repository.fails("set it to 0.2.0 or later");
    repository.passes("compare openapi");
    let refused = text(&repository.run("compare nothing"));
    let expected = "no contract called nothing: the contracts are openapi other";
    assert!(refused.contains(expected), "{refused}");

    repository.write("openapi/released/third/0.1.1.yaml", OLD);
    repository.fails("openapi/released/third is not a directory called as a contract");
    fs::remove_dir_all(repository.at("openapi/released/third")).expect("the directory");
    fs::remove_file(repository.at(OTHER)).expect("the contract");
    repository.fails("there is no contract called other");
}

#[test]
fn each_released_version_moved_far_enough_from_the_one_before() {
    let repository = Repository::new();
    // Adds a breaking change with the version of a compatible one by hand, because `release` refuses it.
    let contract = OLD
        .replace("maxLength: 255", "maxLength: 200")
        .replace("version: 0.1.1", "version: 0.1.2");
    repository.write(CONTRACT, &contract);
    let refused = repository.run("release");
    assert!(
        text(&refused).contains("set it to 0.2.0 or later"),
        "{}",
        text(&refused)
    );
    assert!(
        !repository
            .at("openapi/released/openapi/0.1.2.yaml")
            .exists()
    );
    let file = RELEASED.replace("0.1.1", "0.1.2");
    repository.write(&file, &contract);
    let (pins, hash) = (repository.read(PINS), repository.hash_of(&file));
    repository.write(PINS, &format!("{pins}openapi 0.1.2 {hash}\n"));
    repository.fails("openapi/released/openapi/0.1.2.yaml moved too little from 0.1.1");
}

#[test]
fn releasing_keeps_the_contract_and_its_hash() {
    let repository = Repository::new();
    let said = repository.passes("release");
    assert!(said.contains("is this very contract already"), "{said}");
    repository.write(
        CONTRACT,
        &OLD.replace("title: ecommerce-api", "title: Shop"),
    );
    let refused = text(&repository.run("release"));
    assert!(
        refused.contains("is released and differs: move info.version"),
        "{refused}"
    );
    let next = OLD.replace("version: 0.1.1", "version: 0.2.0");
    repository.write(CONTRACT, &next);
    repository.passes("release");
    assert_eq!(repository.read("openapi/released/openapi/0.2.0.yaml"), next);
    assert_eq!(repository.read(PINS).lines().count(), 3);
    repository.passes("compare");
}
