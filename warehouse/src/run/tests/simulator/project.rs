//! A random project: sources of each kind of delivery, models of each materialisation.

use std::collections::BTreeSet;
use std::fmt::Write;

use rand::Rng;
use rand::rngs::StdRng;

/// A source of the project.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub name: String,
    pub delivery: &'static str,
    /// Whether names carry dates.
    pub dated: bool,
    /// Whether rows of events past the night wait for theirs.
    pub waits: bool,
    /// Whether the contract takes by now what it did not at first.
    pub mended: bool,
    /// Whether the contract has a column more by now, which what is exported from then on has, too.
    pub widened: bool,
}

impl Source {
    pub(super) fn table(&self) -> String {
        format!("bronze.{}", self.name)
    }

    /// Whether a content that is there under another name is left out.
    pub(super) fn skips_twins(&self) -> bool {
        !self.dated && self.delivery == "append"
    }

    pub(super) fn yml(&self) -> String {
        let name = &self.name;
        let path = if self.dated { "_{date:%Y-%m-%d}*.csv" } else { "_*.csv" };
        let (format, required) =
            if self.mended { ("format: { type: csv, null_words: [n/a] }\n", "") } else { ("", ", required: true") };
        let (extra, dropped) = match self.widened {
            // What was exported before may still come.
            true => ("  - { name: extra, type: INTEGER }\n", "dropped_columns: warn\n"),
            false => ("", ""),
        };
        let event_time = if self.waits { "event_time: at\n" } else { "" };
        format!(
            "description: Things.\npath: '{name}/{name}{path}'\nkey: [id]\ndelivery: {}\ntolerance: 0.9\n{dropped}{event_time}{format}\
             columns:\n  - {{ name: id, type: VARCHAR, required: true }}\n  - {{ name: at, type: TIMESTAMP, required: true }}\n  \
             - {{ name: amount, type: 'DECIMAL(18,2)'{required} }}\n  - {{ name: ratio, type: DOUBLE }}\n  \
             - {{ name: note, type: VARCHAR }}\n  - {{ name: gone, type: BOOLEAN }}\n{extra}",
            self.delivery
        )
    }
}

/// What a model makes of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `table`: sums by day.
    Daily,
    /// `incremental` by delivery.
    Window,
    /// `incremental` by the day of the event.
    Days,
    /// `merge` by id.
    Latest,
    /// `scd2` of what each night delivered.
    History,
    /// `incremental` by delivery: what came on a day and the two before it.
    Trailing,
    /// `table` over [`Kind::Latest`] or [`Kind::Window`].
    Total,
}

/// A model of the project.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub table: String,
    pub kind: Kind,
    /// Index of the source.
    pub source: usize,
    /// The table it reads instead of the staging view.
    pub over: Option<String>,
    /// The table in which an audit looks for its days.
    pub beside: Option<String>,
}

/// Sources, models and their texts.
#[derive(Debug, Clone)]
pub(super) struct Design {
    pub sources: Vec<Source>,
    /// Each after those it reads.
    pub models: Vec<Model>,
    /// Whether a night ends in maintenance.
    pub maintains: bool,
}

const AMOUNT: &str = "DECIMAL(18,2)";

impl Design {
    pub(super) fn random(random: &mut StdRng) -> Self {
        let mut sources = Vec::new();
        for number in 0..random.random_range(1..=2) {
            sources.push(Source {
                name: format!("s{number}"),
                delivery: ["append", "upsert", "snapshot"][random.random_range(0..3)],
                dated: random.random_bool(0.7),
                waits: random.random_bool(0.5),
                mended: false,
                widened: false,
            });
        }
        let mut models = Vec::new();
        for (source, Source { name, .. }) in sources.iter().enumerate() {
            let mut add = |kind, table: String, over| models.push(Model { table, kind, source, over, beside: None });
            let picked: u32 = random.random_range(1..64);
            for (bit, (kind, table)) in [
                (Kind::Daily, "marts.daily"),
                (Kind::Window, "core.window"),
                (Kind::Days, "core.days"),
                (Kind::Latest, "core.latest"),
                (Kind::History, "core.history"),
                (Kind::Trailing, "core.trailing"),
            ]
            .into_iter()
            .enumerate()
            {
                if picked & (1 << bit) != 0 {
                    add(kind, format!("{table}_{name}"), None);
                    if matches!(kind, Kind::Window | Kind::Latest) && random.random_bool(0.6) {
                        let total = table.replace("core.", "marts.total_");
                        add(Kind::Total, format!("{total}_{name}"), Some(format!("{table}_{name}")));
                    }
                }
            }
        }
        let tables: BTreeSet<String> = models.iter().map(|model| model.table.clone()).collect();
        for model in models.iter_mut().filter(|model| model.kind == Kind::Trailing) {
            let beside = format!("marts.daily_{}", sources[model.source].name);
            model.beside = Some(beside).filter(|beside| tables.contains(beside) && random.random_bool(0.5));
        }
        Self { sources, models, maintains: random.random_bool(0.2) }
    }

    /// A model, the table that it reads, and the other of its pair.
    pub(super) fn with_read(&self, model: usize) -> BTreeSet<String> {
        let model = &self.models[model];
        let pair = self.pair_of(&model.table).map(|(one, other)| [one.table.clone(), other.to_owned()]);
        model.over.iter().chain([&model.table]).cloned().chain(pair.into_iter().flatten()).collect()
    }

    /// Models with an audit that compares them with another, and that one.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&Model, &str)> {
        self.models.iter().filter_map(|model| Some((model, model.beside.as_deref()?)))
    }

    pub(super) fn pair_of(&self, table: &str) -> Option<(&Model, &str)> {
        self.pairs().find(|(one, other)| one.table == table || *other == table)
    }

    /// Every file of the project, by path.
    pub(super) fn files(&self) -> Vec<(String, String)> {
        let mut settings = "name = \"sim\"\nraw = \"raw\"\nlake = \"lake\"\ntime_zone = \"Europe/Madrid\"\n\
                        currency = \"EUR\"\nmemory = \"64MiB\"\nthreads = 1\n"
            .to_owned();
        if self.maintains {
            settings.push_str("maintain_minutes = 5\nkeep_nights = 2\n");
        }
        let mut files = vec![("buho.toml".to_owned(), settings), ("raw/.keep".to_owned(), String::new())];
        for source in &self.sources {
            files.push((format!("sql/sources/{}.yml", source.name), source.yml()));
            let staged = format!("sql/staging/sim/stg_sim__{}", source.name);
            let sql = format!(
                "select id, cast(at as date) as day, amount, ratio, note, gone, _night as delivered_on from {}",
                source.table()
            );
            files.push((format!("{staged}.sql"), sql));
            let columns = columns(&[
                ("id", "VARCHAR"),
                ("day", "DATE"),
                ("amount", AMOUNT),
                ("ratio", "DOUBLE"),
                ("note", "VARCHAR"),
                ("gone", "BOOLEAN"),
                ("delivered_on", "DATE"),
            ]);
            files.push((format!("{staged}.yml"), format!("materialized: view\n{columns}")));
        }
        for model in &self.models {
            let place = format!("sql/{}", model.table.replacen('.', "/sim/", 1));
            let (sql, yml) = model.texts(&self.sources[model.source].name);
            files.push((format!("{place}.sql"), sql));
            files.push((format!("{place}.yml"), yml));
        }
        files
    }
}

fn columns(of: &[(&str, &str)]) -> String {
    let mut text = "columns:\n".to_owned();
    for (name, kind) in of {
        writeln!(text, "  - {{ name: {name}, type: '{kind}' }}").unwrap();
    }
    text
}

impl Model {
    #[expect(clippy::too_many_lines, reason = "one text for each kind of model")]
    fn texts(&self, source: &str) -> (String, String) {
        let staged = format!("staging.stg_sim__{source}");
        let table = &self.table;
        let audit = |column: &str| {
            format!("audits:\n  - {{ name: none_negative, sql: 'select * from {table} where {column} < 0' }}\n")
        };
        let sums = "cast(sum(amount) as decimal(18, 2)) as amount, cast(count(*) as bigint) as n";
        let within = |column: &str| format!("where {column} >= $window_start and {column} < $window_end");
        match self.kind {
            Kind::Daily => (
                format!("select day, min(amount) as least, {sums} from {staged} group by day"),
                format!(
                    "key: [day]\n{}{}",
                    columns(&[("day", "DATE"), ("least", AMOUNT), ("amount", AMOUNT), ("n", "BIGINT")]),
                    audit("least")
                ),
            ),
            Kind::Window => (
                format!("select id, day, amount, ratio, note, delivered_on from {staged} {}", within("delivered_on")),
                format!(
                    "materialized: incremental\nincremental: {{ time: delivered_on, max_rebuild: 1000 }}\n{}{}",
                    columns(&[
                        ("id", "VARCHAR"),
                        ("day", "DATE"),
                        ("amount", AMOUNT),
                        ("ratio", "DOUBLE"),
                        ("note", "VARCHAR"),
                        ("delivered_on", "DATE"),
                    ]),
                    audit("amount")
                ),
            ),
            Kind::Days => (
                format!("select day, {sums} from {staged} {} group by day", within("day")),
                format!(
                    "materialized: incremental\nincremental: {{ time: day, lookback: 1, max_rebuild: 1000 }}\nkey: [day]\n{}",
                    columns(&[("day", "DATE"), ("amount", AMOUNT), ("n", "BIGINT")])
                ),
            ),
            Kind::Latest => (
                format!(
                    "select distinct id, amount, ratio, note, gone, delivered_on from {staged} {}",
                    within("delivered_on")
                ),
                format!(
                    "materialized: merge\nmerge: {{ time: delivered_on, newest: [note], deleted: gone }}\nkey: [id]\n{}{}",
                    columns(&[
                        ("id", "VARCHAR"),
                        ("amount", AMOUNT),
                        ("ratio", "DOUBLE"),
                        ("note", "VARCHAR"),
                        ("gone", "BOOLEAN"),
                        ("delivered_on", "DATE"),
                    ]),
                    audit("amount")
                ),
            ),
            Kind::History => (
                format!(
                    "select id, max(amount) as amount, max(case when ratio >= 4 then 'high' end) as level, bool_or(gone) as gone \
                     from {staged} where delivered_on = $night group by id"
                ),
                format!(
                    "materialized: scd2\nkey: [id]\n{}",
                    columns(&[
                        ("id", "VARCHAR"),
                        ("amount", AMOUNT),
                        ("level", "VARCHAR"),
                        ("gone", "BOOLEAN"),
                        ("valid_from", "DATE"),
                        ("valid_to", "DATE"),
                    ])
                ),
            ),
            Kind::Trailing => (
                format!(
                    "select $window_start as delivered_on, {sums} from {staged} \
                     where delivered_on >= $window_start - interval '2' day and delivered_on < $window_end"
                ),
                format!(
                    "materialized: incremental\nincremental: {{ time: delivered_on, max_rebuild: 1000 }}\nkey: [delivered_on]\n{}{}",
                    columns(&[("delivered_on", "DATE"), ("amount", AMOUNT), ("n", "BIGINT")]),
                    self.beside.as_ref().map_or_else(String::new, |beside| format!(
                        "audits:\n  - {{ relationships: {{ column: delivered_on, to: {beside}, field: day }} }}\n"
                    ))
                ),
            ),
            Kind::Total => (
                format!(
                    "select delivered_on, {sums} from {} group by delivered_on",
                    self.over.as_deref().unwrap_or_default()
                ),
                format!(
                    "key: [delivered_on]\n{}",
                    columns(&[("delivered_on", "DATE"), ("amount", AMOUNT), ("n", "BIGINT")])
                ),
            ),
        }
    }
}
