//! The list of sources.

use super::shapes;
use super::source::Shape;

/// An export by the name of its contract, or a table of the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    Customers,
    Products,
    Orders,
    OrderItems,
    Payments,
    Refunds,
    Carts,
    Sessions,
    PageEvents,
    PageSummaries,
    Messages,
    Reviews,
    LoyaltyPoints,
    InventorySnapshots,
    PurchaseOrders,
    Shipments,
    CompetitorPrices,
    ExperimentAssignments,
    ExperimentExposures,
    /// Not an export: what the generator knows about each customer.
    TruthCustomers,
}

impl Source {
    /// Every export.
    pub const EXPORTS: [Self; 19] = [
        Self::Customers,
        Self::Products,
        Self::Orders,
        Self::OrderItems,
        Self::Payments,
        Self::Refunds,
        Self::Carts,
        Self::Sessions,
        Self::PageEvents,
        Self::PageSummaries,
        Self::Messages,
        Self::Reviews,
        Self::LoyaltyPoints,
        Self::InventorySnapshots,
        Self::PurchaseOrders,
        Self::Shipments,
        Self::CompetitorPrices,
        Self::ExperimentAssignments,
        Self::ExperimentExposures,
    ];

    /// Number of sources, the truth's table included.
    pub const COUNT: usize = Self::EXPORTS.len() + 1;

    /// Every source by its index.
    pub fn at(index: usize) -> Self {
        Self::EXPORTS.get(index).copied().unwrap_or(Self::TruthCustomers)
    }

    /// Position in [`Self::EXPORTS`]; the truth comes last.
    pub fn index(self) -> usize {
        self as usize
    }

    /// What its files look like.
    pub fn shape(self) -> &'static Shape {
        match self {
            Self::Customers => &shapes::CUSTOMERS,
            Self::Products => &shapes::PRODUCTS,
            Self::Orders => &shapes::ORDERS,
            Self::OrderItems => &shapes::ORDER_ITEMS,
            Self::Payments => &shapes::PAYMENTS,
            Self::Refunds => &shapes::REFUNDS,
            Self::Carts => &shapes::CARTS,
            Self::Sessions => &shapes::SESSIONS,
            Self::PageEvents => &shapes::PAGE_EVENTS,
            Self::PageSummaries => &shapes::PAGE_SUMMARIES,
            Self::Messages => &shapes::MESSAGES,
            Self::Reviews => &shapes::REVIEWS,
            Self::LoyaltyPoints => &shapes::LOYALTY_POINTS,
            Self::InventorySnapshots => &shapes::INVENTORY_SNAPSHOTS,
            Self::PurchaseOrders => &shapes::PURCHASE_ORDERS,
            Self::Shipments => &shapes::SHIPMENTS,
            Self::CompetitorPrices => &shapes::COMPETITOR_PRICES,
            Self::ExperimentAssignments => &shapes::EXPERIMENT_ASSIGNMENTS,
            Self::ExperimentExposures => &shapes::EXPERIMENT_EXPOSURES,
            Self::TruthCustomers => &shapes::TRUTH_CUSTOMERS,
        }
    }
}
