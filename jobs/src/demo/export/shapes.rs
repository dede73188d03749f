//! The commerce pack's exports, column by column as their contracts in `sql/sources` have them.

use super::cell::DateStyle;
use super::source::Kind::{Boolean, Date, Decimal, Double, Integer, Long, Text, Timestamp};
use super::source::{Column, CsvStyle, Format, Kind, Shape};

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, required: false }
}

const fn required(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, required: true }
}

const fn csv_gz(null: &'static str) -> Format {
    Format::Csv(CsvStyle { delimiter: b',', decimal_mark: b'.', dates: DateStyle::Iso, null, gzip: true })
}

/// `customers`
pub static CUSTOMERS: Shape = Shape {
    name: "customers",
    format: csv_gz("NULL"),
    upsert: true,
    columns: &[
        required("customer_id", Text),
        column("email", Text),
        column("phone", Text),
        column("first_name", Text),
        column("last_name", Text),
        column("registered_at", Timestamp),
        column("birth_date", Date),
        column("gender", Text),
        column("country", Text),
        column("city", Text),
        column("postal_code", Text),
        column("acquisition_channel", Text),
        column("language", Text),
        column("consent_email", Boolean),
        column("consent_sms", Boolean),
        column("updated_at", Timestamp),
    ],
};

/// `products`
pub static PRODUCTS: Shape = Shape {
    name: "products",
    format: csv_gz(""),
    upsert: false,
    columns: &[
        required("product_id", Text),
        column("name", Text),
        column("category", Text),
        column("subcategory", Text),
        column("brand", Text),
        column("supplier_id", Text),
        column("unit_cost", Decimal),
        column("list_price", Decimal),
        column("active", Boolean),
        column("launched_on", Date),
    ],
};

/// `orders`
pub static ORDERS: Shape = Shape {
    name: "orders",
    format: csv_gz("NULL"),
    upsert: true,
    columns: &[
        required("order_id", Text),
        column("customer_id", Text),
        required("ordered_at", Timestamp),
        column("status", Text),
        column("channel", Text),
        column("sales_type", Text),
        column("utm_source", Text),
        column("utm_campaign", Text),
        column("coupon_code", Text),
        column("country", Text),
        column("discount_amount", Decimal),
        column("shipping_amount", Decimal),
        column("tax_amount", Decimal),
        required("total_amount", Decimal),
    ],
};

/// `order_items`
pub static ORDER_ITEMS: Shape = Shape {
    name: "order_items",
    format: csv_gz(""),
    upsert: false,
    columns: &[
        required("order_id", Text),
        required("line_number", Integer),
        required("product_id", Text),
        required("quantity", Integer),
        required("unit_price", Decimal),
        column("discount_amount", Decimal),
    ],
};

/// `payments`
pub static PAYMENTS: Shape = Shape {
    name: "payments",
    format: Format::JsonLines,
    upsert: false,
    columns: &[
        required("payment_id", Text),
        required("order_id", Text),
        required("paid_at", Timestamp),
        column("method", Text),
        column("status", Text),
        required("amount", Decimal),
    ],
};

/// `refunds`
pub static REFUNDS: Shape = Shape {
    name: "refunds",
    format: csv_gz("NULL"),
    upsert: false,
    columns: &[
        required("refund_id", Text),
        column("order_id", Text),
        column("customer_id", Text),
        column("product_id", Text),
        column("quantity", Integer),
        required("refunded_at", Timestamp),
        required("amount", Decimal),
        column("reason", Text),
    ],
};

/// `carts`
pub static CARTS: Shape = Shape {
    name: "carts",
    format: Format::JsonLines,
    upsert: true,
    columns: &[
        required("cart_id", Text),
        column("customer_id", Text),
        column("session_id", Text),
        required("created_at", Timestamp),
        column("updated_at", Timestamp),
        column("checkout_started_at", Timestamp),
        column("converted_at", Timestamp),
        column("order_id", Text),
        column("items", Integer),
        column("value_amount", Decimal),
    ],
};

/// `sessions`
pub static SESSIONS: Shape = Shape {
    name: "sessions",
    format: Format::Parquet,
    upsert: false,
    columns: &[
        required("session_id", Text),
        column("visitor_id", Text),
        column("customer_id", Text),
        required("started_at", Timestamp),
        column("ended_at", Timestamp),
        column("platform", Text),
        column("device", Text),
        column("channel", Text),
        column("campaign", Text),
        column("landing_page", Text),
        column("country", Text),
        column("page_views", Integer),
    ],
};

/// `page_events`
pub static PAGE_EVENTS: Shape = Shape {
    name: "page_events",
    format: Format::Parquet,
    upsert: false,
    columns: &[
        required("event_id", Text),
        required("session_id", Text),
        required("occurred_at", Timestamp),
        required("event_type", Text),
        column("page", Text),
        column("product_id", Text),
        column("scroll_depth", Double),
    ],
};

/// `page_summaries`
pub static PAGE_SUMMARIES: Shape = Shape {
    name: "page_summaries",
    format: csv_gz("n/a"),
    upsert: false,
    columns: &[
        required("day", Date),
        required("page", Text),
        column("views", Long),
        column("clicks", Long),
        column("rage_clicks", Long),
        column("recordings", Long),
        column("average_scroll_depth", Double),
    ],
};

/// `messages`
pub static MESSAGES: Shape = Shape {
    name: "messages",
    format: csv_gz("NULL"),
    upsert: false,
    columns: &[
        required("event_id", Text),
        required("message_id", Text),
        column("customer_id", Text),
        column("campaign_id", Text),
        required("medium", Text),
        required("event_type", Text),
        required("occurred_at", Timestamp),
    ],
};

/// `reviews`
pub static REVIEWS: Shape = Shape {
    name: "reviews",
    format: csv_gz(""),
    upsert: false,
    columns: &[
        required("review_id", Text),
        required("product_id", Text),
        column("customer_id", Text),
        column("rating", Integer),
        column("title", Text),
        column("body", Text),
        column("language", Text),
        required("created_at", Timestamp),
    ],
};

/// `loyalty_points`
pub static LOYALTY_POINTS: Shape = Shape {
    name: "loyalty_points",
    format: csv_gz(""),
    upsert: false,
    columns: &[
        required("entry_id", Text),
        required("customer_id", Text),
        required("occurred_at", Timestamp),
        required("points", Integer),
        column("reason", Text),
    ],
};

/// `inventory_snapshots`
pub static INVENTORY_SNAPSHOTS: Shape = Shape {
    name: "inventory_snapshots",
    format: Format::Csv(CsvStyle {
        delimiter: b',',
        decimal_mark: b'.',
        dates: DateStyle::DayFirst,
        null: "-",
        gzip: true,
    }),
    upsert: false,
    columns: &[
        required("day", Date),
        required("product_id", Text),
        column("location", Text),
        required("on_hand", Integer),
        column("reserved", Integer),
        column("reorder_point", Integer),
    ],
};

/// `purchase_orders`
pub static PURCHASE_ORDERS: Shape = Shape {
    name: "purchase_orders",
    format: Format::Csv(CsvStyle {
        delimiter: b';',
        decimal_mark: b',',
        dates: DateStyle::Iso,
        null: "n/d",
        gzip: false,
    }),
    upsert: true,
    columns: &[
        required("purchase_order_id", Text),
        column("supplier_id", Text),
        column("supplier_name", Text),
        required("product_id", Text),
        required("ordered_on", Date),
        column("expected_on", Date),
        column("received_on", Date),
        column("quantity_ordered", Integer),
        column("quantity_received", Integer),
        column("unit_cost", Decimal),
    ],
};

/// `shipments`
pub static SHIPMENTS: Shape = Shape {
    name: "shipments",
    format: csv_gz("NULL"),
    upsert: true,
    columns: &[
        required("shipment_id", Text),
        required("order_id", Text),
        column("carrier", Text),
        column("shipped_at", Timestamp),
        column("promised_on", Date),
        column("delivered_at", Timestamp),
        column("status", Text),
        column("items_shipped", Integer),
        column("items_correct", Integer),
    ],
};

/// `competitor_prices`
pub static COMPETITOR_PRICES: Shape = Shape {
    name: "competitor_prices",
    format: csv_gz("n/a"),
    upsert: false,
    columns: &[
        required("day", Date),
        required("product_id", Text),
        required("competitor", Text),
        required("price", Decimal),
    ],
};

/// `experiment_assignments`
pub static EXPERIMENT_ASSIGNMENTS: Shape = Shape {
    name: "experiment_assignments",
    format: csv_gz(""),
    upsert: false,
    columns: &[
        required("experiment", Text),
        required("subject_id", Text),
        required("variant", Text),
        required("assigned_at", Timestamp),
    ],
};

/// `experiment_exposures`
pub static EXPERIMENT_EXPOSURES: Shape = Shape {
    name: "experiment_exposures",
    format: csv_gz(""),
    upsert: false,
    columns: &[required("experiment", Text), required("subject_id", Text), required("exposed_at", Timestamp)],
};

/// `customers of the truth`
pub static TRUTH_CUSTOMERS: Shape = Shape {
    name: "customers",
    format: Format::Parquet,
    upsert: false,
    columns: &[
        column("customer_id", Text),
        column("registered_on", Date),
        column("acquisition_channel", Text),
        column("sales_type", Text),
        column("first_purchase_on", Date),
        column("purchase_rate_per_day", Double),
        column("dropout_probability", Double),
        column("mean_basket_amount", Double),
        column("basket_shape", Double),
        column("visit_rate_per_day", Double),
        column("email_open_probability", Double),
        column("left_on", Date),
        column("alive", Boolean),
        column("purchases_before_exports", Integer),
        column("orders", Integer),
        column("orders_lost_to_stock_outs", Integer),
    ],
};
