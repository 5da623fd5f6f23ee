//! The services of the suite, and how each is started.

use mahnwerk_runtime::{
    config,
    server::{Running, Shutdown},
};

/// The services, each after those whose feeds it consumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Who owes what.
    Registry,
    /// Will they pay.
    Scoring,
    /// How they are treated.
    Segmentation,
    /// How they are reminded.
    Dunning,
}

impl Service {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [
        Self::Registry,
        Self::Scoring,
        Self::Segmentation,
        Self::Dunning,
    ];

    /// As in settings, tokens, packages and programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Scoring => "scoring",
            Self::Segmentation => "segmentation",
            Self::Dunning => "dunning",
        }
    }

    /// This one and all that it depends on, in the order in which they start.
    pub fn with_upstreams(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().take_while(move |each| *each <= self)
    }

    /// Place in [`Self::ALL`].
    pub(crate) fn place(self) -> usize {
        self as usize
    }

    /// The setting by which others are told where it is.
    #[must_use]
    pub fn url_setting(self) -> String {
        format!("{}_url", self.name())
    }

    /// Starts it in this process with settings as `--set` takes them.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(self, settings: &[(String, String)], shutdown: Shutdown) -> Running {
        let name = self.name();
        let started = match self {
            Self::Registry => {
                let settings = config::load(name, None, [], settings).expect("registry settings");
                mahnwerk_registry::start(settings, shutdown).await
            }
            Self::Scoring => {
                let settings = config::load(name, None, [], settings).expect("scoring settings");
                mahnwerk_scoring::start(settings, shutdown).await
            }
            Self::Segmentation => {
                let settings = config::load(name, None, [], settings).expect("its settings");
                mahnwerk_segmentation::start(settings, shutdown).await
            }
            Self::Dunning => {
                let settings = config::load(name, None, [], settings).expect("dunning settings");
                mahnwerk_dunning::start(settings, shutdown).await
            }
        };
        started.unwrap_or_else(|error| panic!("{name} does not start: {error}"))
    }
}
