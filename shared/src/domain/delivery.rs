//! To whom rows are delivered beside the sites, and who does it.

/// The cloud, as its sites' receiver.
pub const UPSTREAM: &str = "upstream";
/// The cloud's own business.
pub const BUSINESS: &str = "business";

/// The duty of the worker that runs data sync on a site.
pub const SITE_DUTY: &str = "sync:site";
