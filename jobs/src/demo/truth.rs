//! What the generator knows and the exports do not say, for tests of models and of the quarantine.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::json;

use super::DemoOptions;
use super::error::DemoError;
use super::law;
use super::summary::DemoSummary;
use super::world::World;

/// Writes the truth's files, except the customers', which are written as they are generated.
///
/// # Errors
/// [`DemoError::File`] where a file cannot be written.
pub fn write(options: &DemoOptions, world: &World, summary: &DemoSummary) -> Result<(), DemoError> {
    let folder = options.truth.as_path();
    write_file(folder, "README.md", include_str!("truth.md"))?;
    write_file(folder, "products.csv", &products(world))?;
    write_file(folder, "stock_outs.csv", &stock_outs(world))?;
    write_file(folder, "campaigns.csv", &campaigns(world))?;
    write_file(folder, "tempo.csv", &tempo(world))?;
    let law = json!({
        "seed": options.seed,
        "customers": options.customers,
        "days": options.days,
        "nights": options.nights,
        "last_night": options.last_night.to_string(),
        "law": law::describe(),
    });
    write_json(folder, "law.json", &law)?;
    let dirt =
        serde_json::to_value(summary).map_err(|source| DemoError::Json { path: folder.join("dirt.json"), source })?;
    write_json(folder, "dirt.json", &dirt)
}

fn write_json(folder: &Path, name: &str, value: &serde_json::Value) -> Result<(), DemoError> {
    write_file(folder, name, &format!("{value:#}\n"))
}

fn write_file(folder: &Path, name: &str, text: &str) -> Result<(), DemoError> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|source| DemoError::File { action: "write", path, source })
}

/// A table as CSV. None of the truth's texts needs quotes.
fn table(header: &str, rows: impl Iterator<Item = String>) -> String {
    let mut text = format!("{header}\n");
    for row in rows {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{row}");
    }
    text
}

fn product_id(number: u64) -> String {
    format!("P{number:07}")
}

fn products(world: &World) -> String {
    let rows = world.products.iter().map(|product| {
        format!(
            "{},{:.6},{:.4},{:.4}",
            product_id(product.number),
            product.popularity,
            product.elasticity,
            product.quality
        )
    });
    table("product_id,popularity,price_elasticity,quality", rows)
}

fn stock_outs(world: &World) -> String {
    let rows = world.products.iter().flat_map(|product| {
        product
            .outages
            .iter()
            .map(|(from, back)| format!("{},{},{}", product_id(product.number), from.date(), back.date()))
    });
    table("product_id,out_from,back_on", rows)
}

fn campaigns(world: &World) -> String {
    let rows = world.campaigns.iter().map(|campaign| {
        format!(
            "{},{},{},{},{},{:.4},{},{}",
            campaign.id,
            campaign.name,
            campaign.medium,
            campaign.from.date(),
            campaign.to.date(),
            campaign.uplift,
            campaign.discount_percent,
            campaign.coupon.as_deref().unwrap_or_default()
        )
    });
    table("campaign_id,name,medium,from_day,to_day,uplift,discount_percent,coupon_code", rows)
}

fn tempo(world: &World) -> String {
    let rows =
        world.calendar.iter().zip(world.tempo.factors()).map(|(day, factor)| format!("{},{factor:.6}", day.date()));
    table("day,tempo", rows)
}
