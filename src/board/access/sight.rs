//! What of a view somebody may see: the one place where a grant meets a request.
//!
//! Invariant: pure; what is not allowed here is not read, and a refusal names nothing but what the viewer may see.

use super::grant::{Basis, Grant, Role};
use crate::board::organisation::Organisation;
use crate::board::problem::{Denied, Problem};
use crate::board::view::{Level, Scope, Watched};

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Figures of the whole scope.
    Figures,
    /// The rows of the leaderboard and nothing else.
    Ranks,
    /// The adds of one member of staff, one by one.
    Person,
    /// Figures and rows for whoever is in a room, not for the viewer alone.
    Wall,
}

/// How much of a view is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sight {
    /// All of it.
    #[default]
    Whole,
    /// Rows of totals: the viewer's own place among its siblings.
    Siblings,
    /// Of the rows only the viewer's own (whole), its neighbours and the first so many, without their losses.
    Around { first: usize },
    /// Everything but rows, for these would name staff on a wall.
    Nameless,
    /// Everything, but of a row neither losses nor what they are taken from: a wall that names staff.
    Wall,
}

impl Sight {
    /// Whether the figures of the scope are shown; else its rows alone.
    #[must_use]
    pub fn shows_figures(self) -> bool {
        !matches!(self, Self::Siblings | Self::Around { .. })
    }
}

/// Beside what lies within their own place, whose totals a viewer may see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Everybody's.
    #[default]
    Everything,
    /// Those of the own place's siblings.
    Siblings,
    /// Nobody's.
    Own,
}

/// Whether members of staff are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    #[default]
    Shown,
    Hidden,
}

/// Who looks, as far as a view depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Viewer {
    pub sight: Sight,
    /// The viewer's own place, whose row is pinned.
    pub own: Option<Scope>,
    pub reach: Reach,
    pub names: Names,
    /// Nobody has to sign in on this board, which its pages say.
    pub open: bool,
}

/// Of their store, staff see as many of the best (board, section 5).
const FIRST: usize = 3;

/// What `grant` shows of a view; `wall_names` says whether walls name members of staff.
///
/// That holds of a wall whoever opened it: a room reads it, and an owner's link lets nobody in the room see more.
///
/// # Errors
/// [`Problem::Denied`], which says what the grant shows and who can widen it.
pub fn judge(
    grant: &Grant,
    subject: Subject,
    watched: &Watched,
    places: &Organisation,
    wall_names: Names,
) -> Result<Viewer, Problem> {
    let own = (grant.scope.level != Level::Corp).then(|| grant.scope.clone());
    let reach = match grant.role {
        Role::Owner => Reach::Everything,
        Role::Manager => Reach::Siblings,
        Role::Staff | Role::Wall => Reach::Own,
    };
    let names = match (grant.role, subject) {
        (Role::Wall, _) | (_, Subject::Wall) => wall_names,
        (Role::Owner | Role::Manager | Role::Staff, Subject::Figures | Subject::Ranks | Subject::Person) => {
            Names::Shown
        }
    };
    let viewer = |sight| Viewer { sight, own: own.clone(), reach, names, open: grant.basis == Basis::Open };
    let denied = || denied(grant, places);
    let of_staff = watched.level == Level::Staff;
    let inside = places.contains(&grant.scope, &watched.scope);
    let sight = match (grant.role, subject) {
        (_, Subject::Wall) | (Role::Wall, Subject::Figures | Subject::Ranks)
            if inside && watched.scope.level != Level::Staff =>
        {
            match (of_staff, wall_names) {
                (true, Names::Hidden) => Sight::Nameless,
                (true, Names::Shown) => Sight::Wall,
                (false, _) => Sight::Whole,
            }
        }
        (_, Subject::Wall) | (Role::Wall, _) => return Err(denied()),
        (Role::Owner | Role::Manager | Role::Staff, _) if inside => Sight::Whole,
        (Role::Manager, Subject::Ranks) if is_among_siblings(grant, watched, places) => Sight::Siblings,
        (Role::Staff, Subject::Ranks) if of_staff && places.contains(&watched.scope, &grant.scope) => {
            match watched.scope.level {
                Level::Store => Sight::Around { first: FIRST },
                Level::Region => Sight::Around { first: 0 },
                Level::Corp | Level::Staff => return Err(denied()),
            }
        }
        (Role::Owner | Role::Manager | Role::Staff, _) => return Err(denied()),
    };
    Ok(viewer(sight))
}

/// Whether the rows of a view are the siblings of the viewer's own scope.
fn is_among_siblings(grant: &Grant, watched: &Watched, places: &Organisation) -> bool {
    let parent = places.parent(&grant.scope);
    watched.level == grant.scope.level && parent.is_some_and(|parent| parent == watched.scope)
}

/// The refusal for this grant, whatever was asked for.
#[must_use]
pub fn denied(grant: &Grant, places: &Organisation) -> Problem {
    let named = |scope: Scope| {
        let name = if scope.level == Level::Corp { String::new() } else { places.name(scope.level, &scope.id) };
        (scope, name)
    };
    let above = places.parent(&grant.scope).map(named);
    Problem::Denied(Denied { sees: named(grant.scope.clone()), above })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture;

    const SUBJECTS: [Subject; 3] = [Subject::Figures, Subject::Ranks, Subject::Person];

    /// What is shown of a scope at a level, for each subject: none where it is refused.
    fn check(grant: (&str, Role), scope: &str, level: Level, expected: &[Option<Sight>; 3]) {
        let grant = Grant::new(None, Scope::read(grant.0).unwrap(), grant.1).unwrap();
        let watched = Watched { corp: "acme".to_owned(), day: None, scope: Scope::read(scope).unwrap(), level };
        let found = SUBJECTS.map(|subject| {
            let places = fixture::organisation();
            judge(&grant, subject, &watched, &places, Names::Hidden).ok().map(|viewer| viewer.sight)
        });
        assert_eq!(&found, expected, "{grant:?} asks for {scope} by {level:?}");
    }

    const NOTHING: [Option<Sight>; 3] = [None, None, None];
    const WHOLE: [Option<Sight>; 3] = [Some(Sight::Whole), Some(Sight::Whole), Some(Sight::Whole)];

    #[test]
    fn an_owner_sees_everything() {
        for scope in ["corp", "region:R1", "store:S1", "staff:z1", "store:unknown"] {
            check(("corp", Role::Owner), scope, Level::Staff, &WHOLE);
        }
    }

    #[test]
    fn a_manager_sees_the_own_subtree_and_totals_of_siblings() {
        let store = ("store:S1", Role::Manager);
        check(store, "store:S1", Level::Staff, &WHOLE);
        check(store, "staff:z1", Level::Staff, &WHOLE);
        check(store, "region:R1", Level::Store, &[None, Some(Sight::Siblings), None]);
        check(store, "region:R1", Level::Staff, &NOTHING);
        check(store, "store:S2", Level::Staff, &NOTHING);
        check(store, "staff:z3", Level::Staff, &NOTHING);
        check(store, "corp", Level::Store, &NOTHING);
        check(store, "store:unknown", Level::Staff, &NOTHING);
        let region = ("region:R1", Role::Manager);
        check(region, "store:S2", Level::Staff, &WHOLE);
        check(region, "corp", Level::Region, &[None, Some(Sight::Siblings), None]);
        check(region, "corp", Level::Store, &NOTHING);
        check(region, "store:S9", Level::Staff, &NOTHING);
    }

    #[test]
    fn staff_see_themselves_their_neighbours_and_the_best_of_their_store() {
        let staff = ("staff:z1", Role::Staff);
        check(staff, "staff:z1", Level::Staff, &WHOLE);
        check(staff, "store:S1", Level::Staff, &[None, Some(Sight::Around { first: 3 }), None]);
        check(staff, "region:R1", Level::Staff, &[None, Some(Sight::Around { first: 0 }), None]);
        check(staff, "region:R1", Level::Store, &NOTHING);
        check(staff, "corp", Level::Staff, &NOTHING);
        check(staff, "staff:z2", Level::Staff, &NOTHING);
        check(staff, "store:S2", Level::Staff, &NOTHING);
    }

    #[test]
    fn a_wall_shows_totals_and_names_nobody() {
        let wall = ("region:R1", Role::Wall);
        check(wall, "region:R1", Level::Store, &[Some(Sight::Whole), Some(Sight::Whole), None]);
        check(wall, "store:S1", Level::Staff, &[Some(Sight::Nameless), Some(Sight::Nameless), None]);
        check(wall, "staff:z1", Level::Staff, &NOTHING);
        check(wall, "corp", Level::Region, &NOTHING);
    }

    #[test]
    fn a_wall_is_the_same_whoever_opened_it() {
        let places = fixture::organisation();
        let store = |level, scope: &str| Watched {
            corp: "acme".to_owned(),
            day: None,
            scope: Scope::read(scope).unwrap(),
            level,
        };
        for role in [Role::Owner, Role::Manager, Role::Wall] {
            let scope = if role == Role::Owner { "corp" } else { "region:R1" };
            let grant = Grant::new(None, Scope::read(scope).unwrap(), role).unwrap();
            let seen = |watched: &Watched, names| {
                let viewer = judge(&grant, Subject::Wall, watched, &places, names);
                viewer.ok().map(|viewer| (viewer.sight, viewer.names))
            };
            let staff = store(Level::Staff, "store:S1");
            assert_eq!(seen(&staff, Names::Hidden), Some((Sight::Nameless, Names::Hidden)), "{role:?}");
            assert_eq!(seen(&staff, Names::Shown), Some((Sight::Wall, Names::Shown)), "{role:?}");
            let stores = store(Level::Store, "region:R1");
            assert_eq!(seen(&stores, Names::Hidden), Some((Sight::Whole, Names::Hidden)), "{role:?}");
            assert_eq!(
                seen(&store(Level::Staff, "staff:z1"), Names::Shown),
                None,
                "{role:?}: of one person there is none"
            );
        }
    }

    #[test]
    fn a_refusal_names_what_may_be_seen_and_who_is_above_and_nothing_else() {
        let grant = Grant::new(None, Scope::read("store:S1").unwrap(), Role::Manager).unwrap();
        let Problem::Denied(denied) = denied(&grant, &fixture::organisation()) else { panic!("another problem") };
        assert_eq!((denied.sees.0.text().as_str(), denied.sees.1.as_str()), ("store:S1", "杭州湖滨路店"));
        assert_eq!(denied.above.unwrap().1, "华东");
    }
}
