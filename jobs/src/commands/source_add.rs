//! `buho source add NAME FILE…`: a contract inferred from real files, shown before it is written.

use std::io::Write;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use warehouse::ingest::{Inferred, RawFile, infer_contract};
use warehouse::project::{Project, is_identifier};
use warehouse::store::{self, process_environment};

use crate::cli::SourceAddArgs;
use crate::context::Context;
use crate::exit::{CommandError, Exit};

pub fn run(context: &Context, args: &SourceAddArgs) -> Result<Exit, CommandError> {
    if !is_identifier(&args.name) {
        return Err(CommandError::user(format!(
            "`{}` cannot be a source's name — use small letters, digits and `_`, not starting with a digit",
            args.name
        )));
    }
    let project = context.load_project()?;
    let file = format!("sql/sources/{}.yml", args.name);
    let root = project.root.strip_prefix(".").unwrap_or(&project.root);
    let target = root.join(&file);
    if target.exists() {
        return Err(CommandError::user(format!(
            "{} is there already — nothing was written; edit it, or take another name",
            target.display()
        )));
    }
    if project.contracts.contains_key(&args.name) && !args.replace_standard {
        return Err(CommandError::user(format!(
            "`{0}` is a standard source: the standard SQL reads its columns and would not plan with others — nothing was written; take another name, such as `my_{0}`, or say --replace-standard and replace the models that read it too",
            args.name
        )));
    }
    let settings = project.settings.clone();
    let inferred = context.block_on(&settings, infer(&project, args))?;
    context.print(&inferred.yaml)?;
    for note in &inferred.notes {
        tracing::warn!("{note}");
    }
    if !agreed(context, args, &target)? {
        return Ok(Exit::Done);
    }
    write(&target, &inferred.yaml)?;
    tracing::info!("wrote {}; `buho doctor` tries it, `buho run` loads it", target.display());
    Ok(Exit::Done)
}

async fn infer(project: &Project, args: &SourceAddArgs) -> Result<Inferred, CommandError> {
    let ingest = |error: warehouse::ingest::IngestError| CommandError::of(error.kind(), &error);
    let mut files = Vec::new();
    let (mut local, mut raw) = (None, None);
    for file in &args.files {
        let (store, location, path) = if file.exists() {
            let folder = folder_of_raw(project);
            let found = local_file(file, folder.as_deref())?;
            let store = local.get_or_insert_with(|| Arc::new(object_store::local::LocalFileSystem::new())).clone();
            (store as Arc<dyn ObjectStore>, found.0, found.1)
        } else {
            let (store, location, path) = file_of_raw(project, file)?;
            raw = Some(());
            (store, location, path)
        };
        if local.is_some() && raw.is_some() {
            return Err(CommandError::user(
                "some of the files are here and some in the raw location — name files of one place",
            ));
        }
        files.push((Arc::clone(&store), RawFile::at(store.as_ref(), location, path).await.map_err(ingest)?));
    }
    let Some(store) = files.first().map(|(store, _)| Arc::clone(store)) else {
        return Err(CommandError::user("name at least one file"));
    };
    let files: Vec<RawFile> = files.into_iter().map(|(_, file)| file).collect();
    infer_contract(store, &args.name, &files).await.map_err(ingest)
}

/// The folder of the raw location, where it is one.
fn folder_of_raw(project: &Project) -> Option<PathBuf> {
    let folder = project.settings.raw.to_file_path().ok()?;
    Some(folder.canonicalize().unwrap_or(folder))
}

/// Where a file lies, and what it is called below the raw location; one that lies elsewhere is
/// expected there under its own name.
fn local_file(file: &FsPath, raw: Option<&FsPath>) -> Result<(Path, String), CommandError> {
    let full = file.canonicalize().map_err(|source| CommandError::file("read", file, source))?;
    if full.is_dir() {
        let shown = file.display();
        return Err(CommandError::user(format!("{shown} is a folder — name the files in it: {shown}/*")));
    }
    let location = Path::from_absolute_path(&full)
        .map_err(|error| CommandError::user(format!("{}: {error} — rename the file", file.display())))?;
    if let Some(below) = raw.and_then(|raw| full.strip_prefix(raw).ok()) {
        let parts: Vec<String> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        return Ok((location, parts.join("/")));
    }
    let name = full.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    tracing::warn!("{} does not lie in the raw location; deliver it there as `{name}`, or mend `path`", file.display());
    Ok((location, name))
}

/// A file that is not here: a path below the raw location.
fn file_of_raw(project: &Project, file: &FsPath) -> Result<(Arc<dyn ObjectStore>, Path, String), CommandError> {
    let raw = &project.settings.raw;
    if raw.scheme() == "file" {
        return Err(CommandError::user(format!("{} does not exist — name a file as it was delivered", file.display())));
    }
    let (store, root) = store::open(raw, &process_environment)?;
    let text = file.to_string_lossy();
    let path = text.strip_prefix(raw.as_str()).unwrap_or(&text).trim_start_matches('/').to_owned();
    let location = path.split('/').fold(root, |location, part| location.join(part));
    Ok((store, location, path))
}

/// Whether the contract is to be written: `--yes`, or an answer on the terminal.
fn agreed(context: &Context, args: &SourceAddArgs, target: &FsPath) -> Result<bool, CommandError> {
    if args.yes {
        return Ok(true);
    }
    if !context.can_ask() {
        return Err(CommandError::user(format!(
            "nothing was written: nobody can be asked here — say --yes to write {}",
            target.display()
        )));
    }
    let yes = context.ask(&format!("Write {}?", target.display()))?;
    if !yes {
        tracing::warn!("nothing was written");
    }
    Ok(yes)
}

/// Writes a file that is not there yet, whole or not at all.
fn write(target: &FsPath, text: &str) -> Result<(), CommandError> {
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).map_err(|source| CommandError::file("create the folder", folder, source))?;
    }
    let mut file = std::fs::File::create_new(target).map_err(|source| CommandError::file("create", target, source))?;
    file.write_all(text.as_bytes()).map_err(|source| CommandError::file("write", target, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_raw_folder_is_named_below_it_and_another_by_its_name() {
        let home = tempfile::tempdir().unwrap();
        let raw = home.path().canonicalize().unwrap().join("raw");
        std::fs::create_dir_all(raw.join("orders")).unwrap();
        let inside = raw.join("orders/o.csv");
        let outside = home.path().join("o2.csv");
        std::fs::write(&inside, "a\n1\n").unwrap();
        std::fs::write(&outside, "a\n1\n").unwrap();
        assert_eq!(local_file(&inside, Some(&raw)).unwrap().1, "orders/o.csv");
        assert_eq!(local_file(&outside, Some(&raw)).unwrap().1, "o2.csv");
        assert!(local_file(&raw, Some(&raw)).unwrap_err().to_string().contains("is a folder"));
    }
}
