//! `buho demo`: a shop's exports, three nights over them, and what there is to look at.

use std::fs;
use std::path::Path;

use chrono::{Days, NaiveDate};
use warehouse::error::ErrorKind;
use warehouse::project::PROJECT_FILE;
use warehouse::release;
use warehouse::run::{Reader, RunContext, RunError, RunRequest, run_night};

use crate::cli::{DemoArgs, RowFormat};
use crate::context::Context;
use crate::demo::{DemoOptions, DemoSummary, write_exports};
use crate::exit::{CommandError, Exit};
use crate::output::{Destination, write_stream};

/// The demo's last night: fixed, so that the same seed gives the same bytes on any day.
const LAST_NIGHT: NaiveDate = match NaiveDate::from_ymd_opt(2026, 6, 30) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

const SETTINGS: &str = include_str!("demo/buho.toml");

/// What to look at first, and why.
const TOUR: [(&str, &str); 5] = [
    ("the shop on one line a day", "select * from marts.executive_daily order by day desc nulls last limit 5"),
    ("the best customers", "select * from marts.customer_value order by net_revenue desc nulls last limit 5"),
    (
        "who may leave, and what a contact is worth",
        "select customer_id, churn_probability, tier, value_at_risk, contact_gain, why from marts.churn_risk \
         where advice = 'contact' order by contact_gain desc nulls last limit 5",
    ),
    ("where visitors are lost", "select * from marts.conversion_funnel limit 8"),
    (
        "rows that did not fit, kept with the reason",
        "select source, column_name, reason, count(*) as n from ops.quarantine group by 1, 2, 3 order by 4 desc nulls last limit 8",
    ),
];

pub fn run(context: &Context, args: &DemoArgs) -> Result<Exit, CommandError> {
    if context.overrides.raw.is_some() || context.overrides.lake.is_some() {
        return Err(CommandError::user(
            "the demo keeps its exports and tables in its own folder — leave --raw and --lake out, and choose the folder with --dir",
        ));
    }
    let summary = write(args)?;
    context.print(&told(args, &summary))?;
    if args.exports_only {
        return Ok(Exit::Done);
    }
    let project = context.apart_at(&args.dir).load_project()?;
    let settings = project.settings.clone();
    let failed = context.block_on_stoppable(&settings, async |stop| {
        let opened = RunContext { stop, ..super::run::open(context, project).await? };
        if release::begin(&opened.lake).await.map_err(RunError::from)? {
            tracing::info!("a new lake begins at {}", opened.lake.url());
        }
        let mut failed = None;
        for night in nights(args.nights) {
            let request = RunRequest { night, ..RunRequest::default() };
            let report = run_night(&opened, &request).await?;
            failed = failed.or(report.worst());
            match (context.print(&super::run::summary(&report)), failed) {
                (Err(CommandError::ReaderGone), Some(_)) => return Ok(failed),
                (said, _) => said?,
            }
        }
        let reader = Reader::open(&opened.project, &opened.lake, &opened.engine, None, context.clock.as_ref()).await?;
        for (title, query) in TOUR {
            context.say(format!("\n{title}\n  {query}"))?;
            match show(&reader, query).await {
                // Of a small shop no model learns: its marts are held, and said to be.
                Err(CommandError::Told { kind: ErrorKind::User, message }) => context.say(format!("  {message}"))?,
                shown => shown?,
            }
        }
        Ok(failed)
    })?;
    failed.map_or(Exit::Done, Exit::Failed).said(context.print(&next(&args.dir)))
}

/// The last nights, oldest first.
fn nights(count: u32) -> impl Iterator<Item = NaiveDate> {
    (0..count).rev().filter_map(|back| LAST_NIGHT.checked_sub_days(Days::new(u64::from(back))))
}

fn write(args: &DemoArgs) -> Result<DemoSummary, CommandError> {
    fs::create_dir_all(&args.dir).map_err(|source| CommandError::file("create", &args.dir, source))?;
    let settings = args.dir.join(PROJECT_FILE);
    match fs::read_to_string(&settings) {
        Ok(text) if is_of_a_demo(&text) => {}
        Ok(_) => {
            return Err(CommandError::user(format!(
                "{} is of a project that is no demo: invented exports are not to be among its own — nothing was written; name another folder with --dir",
                settings.display()
            )));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            fs::write(&settings, SETTINGS).map_err(|source| CommandError::file("write", &settings, source))?;
        }
        Err(source) => return Err(CommandError::file("read", &settings, source)),
    }
    let options = DemoOptions {
        raw: args.dir.join("raw"),
        truth: args.dir.join("truth"),
        customers: args.customers,
        days: args.days.max(args.nights + 30),
        nights: args.nights,
        last_night: LAST_NIGHT,
        seed: args.seed,
    };
    write_exports(&options).map_err(|error| CommandError::of(ErrorKind::User, &error))
}

/// Whether settings are those that a demo writes, with others beside them perhaps, such as `memory`.
fn is_of_a_demo(text: &str) -> bool {
    SETTINGS.lines().all(|ours| text.lines().any(|line| line == ours))
}

fn told(args: &DemoArgs, summary: &DemoSummary) -> String {
    format!(
        "{} files, {} rows written to {}/raw ({} customers, seed {}), {} rows of them planted as dirt\n",
        summary.files,
        summary.rows,
        args.dir.display(),
        args.customers,
        args.seed,
        summary.expected_quarantine().values().sum::<u64>(),
    )
}

async fn show(reader: &Reader<'_>, query: &str) -> Result<(), CommandError> {
    let rows = reader.query(query).await?;
    let schema = std::sync::Arc::clone(rows.schema().inner());
    let stream = rows.execute_stream().await.map_err(|error| CommandError::of(ErrorKind::Defect, &error))?;
    let failed = |error| CommandError::of(ErrorKind::Defect, &error);
    write_stream(stream, schema, RowFormat::Table, Destination::new(None), failed).await?;
    Ok(())
}

fn next(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "\nNext:\n  buho --project {dir} sql \"show tables\"          what there is\n  \
         buho --project {dir} runs show                    the last run, node by node\n  \
         buho --project {dir} lineage marts.customer_value.net_revenue\n  \
         buho init my-shop                                 your own files\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Global;

    /// A small shop's exports and no night.
    fn exports(dir: &Path) -> DemoArgs {
        DemoArgs { dir: dir.to_owned(), customers: 20, nights: 1, days: 30, seed: 7, exports_only: true }
    }

    #[test]
    fn a_project_that_is_no_demo_is_left_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let context = Context::new(&Global::default());
        let settings = home.path().join(PROJECT_FILE);
        fs::write(&settings, "name = \"shop\"\nraw = \"raw\"\n").unwrap();
        let refused = run(&context, &exports(home.path())).unwrap_err();
        assert_eq!(refused.code(), 2, "{refused}");
        assert!(refused.to_string().contains("nothing was written"), "{refused}");
        assert!(!home.path().join("raw").exists());
        // A demo may be written again, also with more memory.
        fs::write(&settings, format!("{SETTINGS}memory = \"2GiB\"\n")).unwrap();
        assert_eq!(run(&context, &exports(home.path())).unwrap(), Exit::Done);
        assert!(fs::read_to_string(&settings).unwrap().contains("2GiB"));
    }

    #[test]
    fn the_nights_of_a_demo_are_in_its_own_lake_whatever_the_environment_says_of_another() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(PROJECT_FILE), SETTINGS).unwrap();
        let environment = |name: &str| match name {
            "BUHO_RAW" => Some("/real/raw".to_owned()),
            "BUHO_LAKE" => Some("s3://real/lake".to_owned()),
            "BUHO_MEMORY" => Some("300MiB".to_owned()),
            _ => None,
        };
        let context = Context { environment, ..Context::new(&Global::default()) };
        let settings = context.apart_at(home.path()).load_project().unwrap().settings;
        for (key, place) in [("raw", &settings.raw), ("lake", &settings.lake)] {
            assert_eq!(place.to_file_path().unwrap(), home.path().join(key));
        }
        assert_eq!(settings.memory, 300 << 20);
        let mut elsewhere = Context::new(&Global::default());
        elsewhere.overrides.lake = Some("/real/lake".to_owned());
        let refused = run(&elsewhere, &exports(&home.path().join("demo"))).unwrap_err();
        assert_eq!(refused.code(), 2, "{refused}");
        assert!(!home.path().join("demo").exists());
    }
}
