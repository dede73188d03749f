//! What the root manifest must say about each dependency.

use std::path::Path;

/// One dependency of `[workspace.dependencies]`: its name, and the reason given where it ends.
struct Dependency {
    name: String,
    reason: String,
    is_ours: bool,
}

fn root_manifest() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    std::fs::read_to_string(path).expect("Cargo.toml is at the root of the workspace")
}

/// An entry may run over several lines; its reason stands on the line where its brackets close.
fn dependencies(manifest: &str) -> Vec<Dependency> {
    let section = manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    let mut found: Vec<Dependency> = Vec::new();
    let mut depth = 0_i32;
    for line in section.take_while(|line| is_inside_section(line)) {
        let (code, reason) = line.split_once('#').unwrap_or((line, ""));
        if depth == 0 {
            let Some((name, value)) = code.split_once('=') else {
                continue;
            };
            found.push(Dependency {
                name: name.trim().to_owned(),
                reason: String::new(),
                is_ours: value.contains("path ="),
            });
        }
        depth += balance(code);
        if let (0, Some(last)) = (depth, found.last_mut()) {
            last.reason = reason.trim().to_owned();
        }
    }
    found
}

/// A section ends where the next one begins.
fn is_inside_section(line: &str) -> bool {
    !line.starts_with('[')
}

fn balance(code: &str) -> i32 {
    code.chars()
        .map(|c| match c {
            '[' | '{' => 1,
            ']' | '}' => -1,
            _ => 0,
        })
        .sum()
}

#[test]
fn every_dependency_says_why_it_is_there() {
    let all = dependencies(&root_manifest());
    assert!(all.len() > 20, "only {} dependencies were found: has the manifest changed its form?", all.len());
    for dependency in all.iter().filter(|dependency| !dependency.is_ours) {
        assert!(
            dependency.reason.len() >= 5,
            "{} has no reason: write `# why` on the line where it ends in the root Cargo.toml",
            dependency.name
        );
    }
}

#[test]
fn members_take_their_versions_from_the_root() {
    for member in ["jobs", "models", "warehouse", "tests"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(member).join("Cargo.toml");
        let text = std::fs::read_to_string(&path).expect("every member has a manifest");
        let is_header = |line: &str| line.starts_with('[');
        let mut inside = false;
        for line in text.lines() {
            if is_header(line) {
                inside = line.contains("dependencies");
            } else if inside && line.contains('=') {
                let inherited = line.contains(".workspace = true") || line.contains("workspace = true");
                assert!(inherited, "{member}/Cargo.toml: `{line}` should be `….workspace = true`");
            }
        }
    }
}

#[test]
fn a_reason_is_found_where_an_entry_of_several_lines_ends() {
    let found = dependencies(concat!(
        "[workspace.dependencies]\n# Ours.\nmodels = { path = \"models\" }\n",
        "a = { version = \"1\", features = [\n    \"x\",\n] } # why a is here\nb = \"2\"\n[profile.dev]\nc = 1\n",
    ));
    let seen: Vec<_> = found.iter().map(|d| (d.name.as_str(), d.reason.as_str(), d.is_ours)).collect();
    assert_eq!(seen, [("models", "", true), ("a", "why a is here", false), ("b", "", false)]);
}
