//! What is the same for all customers: products, suppliers, campaigns, pages, the calendar's tempo.

pub mod campaigns;
pub mod catalogue;
pub mod shelf;

use super::DemoOptions;
use super::calendar::{Calendar, Day};
use super::random::{Stream, stream};
use super::tempo::Tempo;
use campaigns::Campaign;
use catalogue::{CATEGORIES, Product};
use shelf::Shelf;

/// The shop, before anybody comes in.
pub struct World {
    /// Seed of everything random.
    pub seed: u64,
    /// Number of customers.
    pub customers: u64,
    /// Days and deliveries.
    pub calendar: Calendar,
    /// How fast business goes.
    pub tempo: Tempo,
    /// Campaigns by their first day.
    pub campaigns: Vec<Campaign>,
    /// Products by number, which starts at 1; those of a category are neighbours.
    pub products: Vec<Product>,
    /// Who sells how well on which day.
    pub shelf: Shelf,
    /// Paths of all pages.
    pub pages: Pages,
}

impl World {
    /// The shop of a demo.
    pub fn new(options: &DemoOptions) -> Self {
        let calendar = Calendar::new(options.last_night, options.days, options.nights, options.customers);
        let mut random = stream(options.seed, Stream::World, 0);
        let campaigns = campaigns::plan(&calendar, &mut random);
        let products = catalogue::stock(&calendar, options.customers, &mut random);
        let tempo = Tempo::new(&calendar, &campaigns);
        let shelf = Shelf::new(&calendar, &products);
        let pages = Pages::new(&products);
        Self { seed: options.seed, customers: options.customers, calendar, tempo, campaigns, products, shelf, pages }
    }

    /// The campaign with a coupon that runs on `day`, if one does.
    pub fn coupon_on(&self, day: Day) -> Option<usize> {
        self.campaigns.iter().position(|campaign| campaign.coupon.is_some() && campaign.runs_on(day))
    }
}

/// Pages of the shop, by index.
pub struct Pages {
    paths: Vec<String>,
}

impl Pages {
    /// The front page.
    pub const HOME: usize = 0;
    /// The cart.
    pub const CART: usize = 1;
    /// Where an order is paid.
    pub const CHECKOUT: usize = 2;
    /// Where a buyer is thanked.
    pub const THANKS: usize = 3;
    /// Where a campaign sends people.
    pub const OFFERS: usize = 4;
    /// Articles.
    pub const BLOG: usize = 5;
    const OTHERS: usize = 6;

    fn new(products: &[Product]) -> Self {
        let others = ["/", "/carrito", "/checkout", "/checkout/gracias", "/ofertas", "/blog"];
        let categories = CATEGORIES.iter().map(|category| format!("/c/{}", category.slug));
        let products = products.iter().map(|product| format!("/p/{}", product.number));
        let paths = others.iter().map(|&path| path.to_owned()).chain(categories).chain(products);
        Self { paths: paths.collect() }
    }

    /// The page of a category.
    pub fn category(category: usize) -> usize {
        Self::OTHERS + category
    }

    /// The page of a product, by its position among the products.
    pub fn product(product: usize) -> usize {
        Self::OTHERS + CATEGORIES.len() + product
    }

    /// Path of a page.
    pub fn path(&self, page: usize) -> &str {
        self.paths.get(page).map_or("/", String::as_str)
    }

    /// Number of pages.
    pub fn count(&self) -> usize {
        self.paths.len()
    }
}
