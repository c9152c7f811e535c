//! The watches of a flow's sources: made, asked when they do not push, and made anew when they tell no more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flowstone_connect::{Poll, Tell, Watch};

use super::inbox::Inbox;
use crate::error::Error;
use crate::event::{Event, Observer, WatchKind};
use crate::run::Session;

/// Of the time of a watch, no more than this part goes into listing a source that is asked for it again and again.
const LISTING_PART: u32 = 10;

/// A source that is watched.
struct Watched {
    watch: Watch,
    next_poll: Instant,
    interval: Duration,
}

/// The sources of a flow that are watched, by name.
pub(super) struct Sources {
    inbox: Arc<Inbox>,
    poll: Duration,
    watched: BTreeMap<String, Watched>,
}

impl Sources {
    pub(super) fn new(inbox: Arc<Inbox>, poll: Duration) -> Self {
        Self {
            inbox,
            poll,
            watched: BTreeMap::new(),
        }
    }

    /// Watches all sources of a session; gives those that cannot be.
    pub(super) fn watch_all(
        &mut self,
        session: &Session<'_>,
        observer: &dyn Observer,
    ) -> Vec<(String, Error)> {
        let names = session.source_names();
        let failed = names.into_iter().filter_map(|name| {
            let error = self.watch(session, &name, observer).err()?;
            Some((name, error))
        });
        failed.collect()
    }

    /// Watches a source, unless it is watched as it should be.
    pub(super) fn watch(
        &mut self,
        session: &Session<'_>,
        source: &str,
        observer: &dyn Observer,
    ) -> Result<(), Error> {
        let known = self.watched.get(source);
        let is_live = known.is_some_and(|watched| match &watched.watch {
            Watch::Push(push) => push.is_live(),
            Watch::Recent(_) | Watch::List(_) => true,
        });
        if is_live {
            return Ok(());
        }
        let was_watched = self.watched.remove(source).is_some();
        let (inbox, name) = (Arc::clone(&self.inbox), source.to_owned());
        let tell: Tell = Arc::new(move |change| inbox.tell(&name, change));
        let watch = session.watch(source, tell)?;
        let (kind, interval) = match &watch {
            Watch::Push(_) => (WatchKind::Push, None),
            Watch::Recent(poll) => (WatchKind::Recent, poll.interval()),
            Watch::List(poll) => (WatchKind::List, poll.interval()),
        };
        if !was_watched {
            observer.event(&Event::SourceWatched { source, kind });
        }
        let interval = interval.unwrap_or(self.poll);
        let watched = Watched {
            watch,
            next_poll: Instant::now() + interval,
            interval,
        };
        self.watched.insert(source.to_owned(), watched);
        Ok(())
    }

    /// Whether a source is watched in some way.
    pub(super) fn is_watched(&self, source: &str) -> bool {
        self.watched.contains_key(source)
    }

    /// Asks the sources that it is time for, and that nothing holds back; gives those that cannot be asked.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        is_held: impl Fn(&str) -> bool,
    ) -> Vec<(String, Error)> {
        let mut failed = Vec::new();
        for (source, watched) in &mut self.watched {
            let poll: &mut dyn Poll = match &mut watched.watch {
                Watch::Recent(poll) | Watch::List(poll)
                    if now >= watched.next_poll && !is_held(source) =>
                {
                    poll.as_mut()
                }
                _ => continue,
            };
            let began = Instant::now();
            match poll.poll() {
                Ok(changes) => {
                    for change in changes {
                        self.inbox.tell(source, change);
                    }
                }
                Err(error) => failed.push((
                    source.clone(),
                    Error::Source {
                        source_name: source.clone(),
                        error,
                    },
                )),
            }
            watched.put_off(began.elapsed());
        }
        failed
    }

    /// Notes that a source was listed, and how long the round took.
    pub(super) fn listed(&mut self, source: &str, took: Duration) {
        if let Some(watched) = self.watched.get_mut(source) {
            watched.put_off(took);
        }
    }

    /// When the next source is to be asked. For one that is held back until a time, that time counts as well.
    pub(super) fn next_poll(
        &self,
        latest: Instant,
        held_until: impl Fn(&str) -> Option<Instant>,
    ) -> Instant {
        let polled =
            (self.watched.iter()).filter(|(_, watched)| !matches!(watched.watch, Watch::Push(_)));
        let times = polled.map(|(source, watched)| {
            held_until(source).map_or(watched.next_poll, |held| held.max(watched.next_poll))
        });
        times.fold(latest, Instant::min)
    }
}

impl Watched {
    /// Asks again later, when asking takes long, much later.
    fn put_off(&mut self, took: Duration) {
        self.next_poll = Instant::now() + self.interval.max(took * LISTING_PART);
    }
}

#[cfg(test)]
mod tests {
    use flowstone_connect::{Change, ConnectError};

    use super::*;

    struct Silent;

    impl Poll for Silent {
        fn poll(&mut self) -> Result<Vec<Change>, ConnectError> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn a_source_that_is_held_back_wakes_nobody_before_it_is_tried_again() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut sources = Sources::new(Arc::default(), second);
        for (name, next_poll) in [("away", now), ("there", now + 20 * second)] {
            let watched = Watched {
                watch: Watch::List(Box::new(Silent)),
                next_poll,
                interval: second,
            };
            sources.watched.insert(name.to_owned(), watched);
        }
        let latest = now + 60 * second;
        let until =
            |seconds| move |source: &str| (source == "away").then_some(now + seconds * second);
        assert_eq!(sources.next_poll(latest, |_| None), now);
        assert_eq!(sources.next_poll(latest, until(10)), now + 10 * second);
        assert_eq!(sources.next_poll(latest, until(30)), now + 20 * second);
        assert_eq!(sources.next_poll(now + second, until(30)), now + second);
    }
}
