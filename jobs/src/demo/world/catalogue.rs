//! Products and suppliers of a shop for sports supplements.

use super::super::calendar::{Calendar, Day};
use super::super::export::cell::Id;
use super::super::random::{Random, between, chance, exponential, one, pick, whole};

/// A category of products.
pub struct Category {
    /// As shown.
    pub name: &'static str,
    /// In paths.
    pub slug: &'static str,
    /// Share of the products.
    share: f64,
    /// Prices in cents, without tax.
    price: (f64, f64),
    /// Subcategories, which begin the products' names.
    kinds: &'static [&'static str],
    /// Flavours, forms or sizes, which end them.
    variants: &'static [&'static str],
}

const FLAVOURS: &[&str] = &["Vainilla 1 kg", "Chocolate 1 kg", "Fresa 1 kg", "Chocolate 2 kg", "Cookies & Cream 900 g"];
const POWDERS: &[&str] = &["Neutro 300 g", "Limón 300 g", "Sandía 500 g", "Neutro 1 kg"];
const CAPSULES: &[&str] = &["60 cápsulas", "120 cápsulas", "90 comprimidos", "30 días"];
const BOXES: &[&str] = &["12 uds.", "caja de 24", "Cacahuete", "Coco", "Plátano"];
const SIZES: &[&str] = &["negro", "700 ml", "talla M", "talla L", "\"Pro\""];

/// Categories, in the order of the catalogue.
pub static CATEGORIES: [Category; 8] = [
    category("Proteína", "proteina", 0.2, (1_650.0, 4_900.0), &["Whey", "Isolate", "Caseína", "Vegana"], FLAVOURS),
    category("Creatina", "creatina", 0.08, (990.0, 2_900.0), &["Monohidrato", "Creapure"], POWDERS),
    category("Pre-entreno", "pre-entreno", 0.11, (1_450.0, 3_600.0), &["Con cafeína", "Sin cafeína"], POWDERS),
    category("Aminoácidos", "aminoacidos", 0.12, (1_150.0, 2_900.0), &["BCAA", "EAA", "Glutamina"], POWDERS),
    category(
        "Vitaminas",
        "vitaminas",
        0.17,
        (590.0, 2_200.0),
        &["Multivitamínico", "Omega 3", "Vitamina D", "Magnesio"],
        CAPSULES,
    ),
    category("Snacks", "snacks", 0.15, (160.0, 2_400.0), &["Barritas", "Crema", "Galletas"], BOXES),
    category("Control de peso", "control-de-peso", 0.08, (990.0, 3_300.0), &["L-Carnitina", "Termogénico"], CAPSULES),
    category("Accesorios", "accesorios", 0.09, (420.0, 2_900.0), &["Shaker", "Cinturón", "Guantes", "Camiseta"], SIZES),
];

const fn category(
    name: &'static str,
    slug: &'static str,
    share: f64,
    price: (f64, f64),
    kinds: &'static [&'static str],
    variants: &'static [&'static str],
) -> Category {
    Category { name, slug, share, price, kinds, variants }
}

const BRANDS: [&str; 7] = ["Buhonutri", "Sierra Sport", "Iberfit", "NorteLab", "Atlas", "Kōno", "Green&Co"];

/// Who delivers the goods.
#[derive(Debug)]
pub struct Supplier {
    /// Number in its key, from 1.
    pub number: u64,
    /// Name in purchase orders.
    pub name: &'static str,
    /// Days promised from order to delivery.
    pub lead_days: i32,
    /// Probability that a delivery comes late.
    pub late: f64,
    /// Probability that less comes than was ordered.
    pub short: f64,
}

/// Suppliers, by number.
pub static SUPPLIERS: [Supplier; 6] = [
    Supplier { number: 1, name: "Lácteos del Norte, S.L.", lead_days: 9, late: 0.12, short: 0.05 },
    Supplier { number: 2, name: "Nutri Rohstoffe GmbH", lead_days: 16, late: 0.2, short: 0.08 },
    Supplier { number: 3, name: "Laboratorios Ebro", lead_days: 12, late: 0.08, short: 0.03 },
    Supplier { number: 4, name: "Barritas \"La Encina\"", lead_days: 7, late: 0.15, short: 0.12 },
    Supplier { number: 5, name: "Shenzhen Gear; Export Dept.", lead_days: 34, late: 0.35, short: 0.1 },
    Supplier { number: 6, name: "Vitalia Portugal", lead_days: 10, late: 0.1, short: 0.04 },
];

/// The supplier of accessories, far away.
static ACCESSORIES: &Supplier = &SUPPLIERS[4];

impl Supplier {
    /// Key in the exports.
    pub fn id(&self) -> Id {
        Id::new("SUP", self.number)
    }
}

/// A product and what is true of it.
#[derive(Clone, Debug)]
pub struct Product {
    /// Number in its key, from 1.
    pub number: u64,
    /// Name in the shop.
    pub name: String,
    /// Position in [`CATEGORIES`].
    pub category: usize,
    /// Name of the category.
    pub category_name: &'static str,
    /// Subcategory.
    pub kind: &'static str,
    /// Brand on the label.
    pub brand: &'static str,
    /// Who delivers it.
    pub supplier: &'static Supplier,
    /// What a unit costs, in hundredths of a cent.
    pub unit_cost: i64,
    /// Prices in cents and the day from which they hold; the first holds before it too.
    pub prices: Vec<(Day, i64)>,
    /// First day on sale.
    pub launched: Day,
    /// First day no longer on sale.
    pub retired: Option<Day>,
    /// Weight among the products when everything costs what it did at first.
    pub popularity: f64,
    /// Demand moves with price to this power (negative).
    pub elasticity: f64,
    /// How good it is, 0 to 1: moves ratings and returns.
    pub quality: f64,
    /// Stock-outs: first day without stock, first day with stock again.
    pub outages: Vec<(Day, Day)>,
}

impl Product {
    /// Key in the exports.
    pub fn id(&self) -> Id {
        Id::new("P", self.number)
    }

    /// Price on `day`, in cents.
    pub fn price(&self, day: Day) -> i64 {
        let after = self.prices.partition_point(|(from, _)| *from <= day).max(1);
        self.prices.get(after - 1).map_or(100, |(_, price)| *price)
    }

    /// Whether it is on sale on `day`, in stock or not.
    pub fn on_sale(&self, day: Day) -> bool {
        day >= self.launched && self.retired.is_none_or(|retired| day < retired)
    }

    /// Whether it cannot be ordered on `day` because there is none.
    pub fn out_of_stock(&self, day: Day) -> bool {
        self.outages.iter().any(|(from, back)| (*from..*back).contains(&day))
    }
}

/// Fills the catalogue: more products for more customers.
pub fn stock(calendar: &Calendar, customers: u64, random: &mut Random) -> Vec<Product> {
    let total = (customers / 40).clamp(48, 360) as f64;
    let mut products = Vec::new();
    for (category, of) in CATEGORIES.iter().enumerate() {
        let count = (total * of.share).round().max(2.0) as usize;
        for rank in 0..count {
            let number = products.len() as u64 + 1;
            products.push(product(calendar, number, (category, of), rank, random));
        }
    }
    products
}

fn product(
    calendar: &Calendar,
    number: u64,
    (category, of): (usize, &Category),
    rank: usize,
    random: &mut Random,
) -> Product {
    let (kind, variant) = (one(random, of.kinds), one(random, of.variants));
    let brand = one(random, &BRANDS);
    let days = calendar.days() as i32;
    // Few prices are high: the square of a uniform draw.
    let place = between(random, 0.0, 1.0).powi(2);
    let price = ((of.price.0 + (of.price.1 - of.price.0) * place) / 10.0).round() as i64 * 10 - 1;
    let margin = between(random, 0.32, 0.62);
    let late = rank > 1 && chance(random, 0.12);
    let launched = if late {
        calendar.first.plus(whole(random, 1, (days - 30).max(1)))
    } else {
        calendar.first.plus(-whole(random, 30, 1_500))
    };
    let retires = !late && rank > 2 && days > 90 && chance(random, 0.06);
    let retired = retires.then(|| calendar.first.plus(whole(random, days / 3, days - 5)));
    let mut product = Product {
        number,
        name: format!("{kind} {variant} {brand}"),
        category,
        category_name: of.name,
        kind,
        brand,
        supplier: if of.slug == "accesorios" { ACCESSORIES } else { pick(random, &SUPPLIERS, |_| 1.0) },
        unit_cost: (price as f64 * (1.0 - margin) * 100.0).round() as i64,
        prices: prices(calendar, price, random),
        launched,
        retired,
        // Zipf within the category.
        popularity: of.share / (rank as f64 + 1.5).powf(0.9),
        elasticity: between(random, -2.4, -0.9),
        quality: between(random, 0.35, 1.0),
        outages: Vec::new(),
    };
    product.outages = outages(calendar, &product, random);
    product
}

/// A price and up to two changes of it.
fn prices(calendar: &Calendar, price: i64, random: &mut Random) -> Vec<(Day, i64)> {
    let mut prices = vec![(calendar.first, price)];
    let mut day = calendar.first.plus(whole(random, 40, 260));
    while day <= calendar.last && prices.len() < 3 {
        let change = between(random, -0.12, 0.18);
        let last = prices.last().map_or(price, |(_, price)| *price);
        prices.push((day, (last as f64 * (1.0 + change)).round().max(50.0) as i64));
        day = day.plus(whole(random, 60, 240));
    }
    prices
}

/// Stock-outs of a product that was in stock when the exports begin; none in its first weeks.
fn outages(calendar: &Calendar, product: &Product, random: &mut Random) -> Vec<(Day, Day)> {
    const EVERY_DAYS: f64 = 210.0;
    let end = product.retired.unwrap_or(calendar.last.plus(1));
    let mut outages = Vec::new();
    let mut from = product.launched.max(calendar.first).plus(25);
    loop {
        from = from.plus((exponential(random) * EVERY_DAYS) as i32);
        let back = from.plus(whole(random, 3, 12));
        if from >= end || (product.retired.is_some() && back >= end) {
            return outages;
        }
        outages.push((from, back));
        from = back.plus(25);
    }
}
