//! `buho init [DIR]`: a project to start from; nothing that is there is written over.

use std::fs;
use std::io::Write;
use std::path::Path;

use warehouse::project::PROJECT_FILE;

use crate::cli::InitArgs;
use crate::context::Context;
use crate::exit::{CommandError, Exit};

const SETTINGS: &str = include_str!("init/buho.toml");

const IGNORED: &str = "\
# Tables and exports are data, not code.
/lake/
/raw/
";

const SOURCES: &str = "\
# Contracts of raw exports

One file a source, `<name>.yml`. `buho source add NAME FILE…` writes the first draft from real
files; `buho schema source` prints what one may say. A file with the name of a standard source
takes its place.
";

pub fn run(context: &Context, args: &InitArgs) -> Result<Exit, CommandError> {
    let dir = &args.dir;
    let settings = dir.join(PROJECT_FILE);
    if settings.exists() {
        let shown = settings.display();
        return Err(CommandError::user(format!(
            "{shown} is there already — nothing was written; edit it, or choose another folder"
        )));
    }
    for folder in ["raw", "sql/sources"] {
        let path = dir.join(folder);
        fs::create_dir_all(&path).map_err(|source| CommandError::file("create the folder", &path, source))?;
    }
    let written = [
        (PROJECT_FILE, SETTINGS.replace("{name}", &name_of(dir))),
        (".gitignore", IGNORED.to_owned()),
        ("sql/sources/README.md", SOURCES.to_owned()),
    ];
    for (file, text) in &written {
        write_new(&dir.join(file), text)?;
    }
    context.print(&next_steps(dir))?;
    Ok(Exit::Done)
}

/// The folder's name, as the text of a TOML string.
fn name_of(dir: &Path) -> String {
    let absolute = std::path::absolute(dir).ok();
    let name = absolute.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| "shop".to_owned());
    name.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).take(100).collect()
}

/// Writes a file that is not there; one that is there is kept.
fn write_new(path: &Path, text: &str) -> Result<(), CommandError> {
    match fs::File::create_new(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map_err(|source| CommandError::file("write", path, source)),
        Err(source) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            tracing::warn!(file = %path.display(), "kept as it is");
            Ok(())
        }
        Err(source) => Err(CommandError::file("create", path, source)),
    }
}

fn next_steps(dir: &Path) -> String {
    let enter = if dir == Path::new(".") { String::new() } else { format!("  cd {}\n", dir.display()) };
    let place = if dir == Path::new(".") { "here".to_owned() } else { format!("in {}", dir.display()) };
    format!(
        "A project {place}: buho.toml, raw/ for exports, sql/ for contracts and models.

What to type next:
{enter}  cp /somewhere/orders_2026-01-31.csv raw/        # an export as it is delivered
  buho source add my_orders raw/orders_*.csv      # infer its contract, look at it, keep it
  buho doctor                                     # is everything a night needs there?
  buho run                                        # the night
  buho sql \"select * from bronze.my_orders limit 5\"

An export of a standard name (`buho doctor` lists them) feeds the standard marts.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Global;
    use crate::standard;
    use warehouse::project::{Overrides, Project};

    fn init(dir: &Path) -> Result<Exit, CommandError> {
        run(&Context::new(&Global::default()), &InitArgs { dir: dir.to_owned() })
    }

    #[test]
    fn a_new_project_loads() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("my \"shop\"");
        init(&dir).unwrap();
        let project = Project::load(&dir, &Overrides::default(), &|_| None, &standard::files());
        let project = project.unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(project.settings.name, "my shop");
    }

    #[test]
    fn a_file_that_is_there_is_kept() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(".gitignore"), "mine\n").unwrap();
        init(home.path()).unwrap();
        assert_eq!(fs::read_to_string(home.path().join(".gitignore")).unwrap(), "mine\n");
        let error = init(home.path()).unwrap_err();
        assert!(error.to_string().contains("is there already"), "{error}");
        assert_eq!(error.code(), 2);
    }
}
