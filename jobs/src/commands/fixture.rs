//! A small project, and the commands as a person types them.

use std::path::Path;

use clap::Parser;
use warehouse::project::PROJECT_FILE;

use super::dispatch;
use crate::cli::{Cli, Global};
use crate::context::Context;
use crate::exit::{CommandError, Exit};

/// A project of one source and one mart, without the standard SQL.
pub struct Shop {
    home: tempfile::TempDir,
}

impl Shop {
    pub fn new() -> Self {
        let shop = Self { home: tempfile::tempdir().unwrap() };
        shop.write(PROJECT_FILE, "packs = []\nmemory = \"256MiB\"\nthreads = 2\n");
        shop.write(
            "sql/sources/orders.yml",
            "path: orders_{date:%Y-%m-%d}.csv\ntolerance: 0.9\ncolumns:\n  - { name: order_id, type: VARCHAR }\n  - { name: amount, type: 'DECIMAL(18,2)', required: true }\n",
        );
        shop.write("sql/staging/shop/stg_shop__orders.sql", "select order_id from bronze.orders");
        shop.write("sql/staging/shop/stg_shop__orders.yml", "columns:\n  - { name: order_id, type: VARCHAR }\n");
        shop.write("sql/marts/shop/total.sql", "select count(*) as n from staging.stg_shop__orders");
        shop.write("sql/marts/shop/total.yml", "columns:\n  - { name: n, type: BIGINT }\n");
        shop.write("raw/.keep", "");
        shop
    }

    pub fn root(&self) -> &Path {
        self.home.path()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn context(&self) -> Context {
        Context::new(&Global { project: Some(self.root().to_owned()), ..Global::default() })
    }

    /// Runs what is typed behind `buho --project …`.
    pub fn buho(&self, typed: &[&str]) -> Result<Exit, CommandError> {
        let project = self.root().to_str().unwrap();
        let cli = Cli::try_parse_from([&["buho", "--project", project][..], typed].concat()).unwrap();
        dispatch(&Context::new(&cli.global), cli.command)
    }
}
