//! To whom rows are delivered beside the sites.

/// The cloud, as its sites' receiver.
pub const UPSTREAM: &str = "upstream";
/// The cloud's own business.
pub const BUSINESS: &str = "business";
