//! Ranks: every box stands one rank after the last of those that lead to it.

use super::Link;

/// The rank of each box: the length of the longest path to it. Links lead from earlier boxes to later ones.
pub(super) fn ranks<'a>(boxes: usize, links: impl Iterator<Item = &'a Link>) -> Vec<usize> {
    let mut by_target: Vec<Vec<usize>> = vec![Vec::new(); boxes];
    for link in links {
        by_target[link.to].push(link.from);
    }
    let mut ranks = vec![0; boxes];
    for to in 0..boxes {
        ranks[to] = by_target[to]
            .iter()
            .map(|&from| ranks[from] + 1)
            .max()
            .unwrap_or(0);
    }
    ranks
}

/// The boxes of each connected part, in order.
pub(super) fn parts<'a>(boxes: usize, links: impl Iterator<Item = &'a Link>) -> Vec<Vec<usize>> {
    // Each box leads to an earlier one of its part, the first one to itself.
    let mut leader: Vec<usize> = (0..boxes).collect();
    for link in links {
        let (a, b) = (find(&mut leader, link.from), find(&mut leader, link.to));
        leader[a.max(b)] = a.min(b);
    }
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut part_of = vec![0; boxes];
    for node in 0..boxes {
        let first = find(&mut leader, node);
        if first == node {
            part_of[node] = parts.len();
            parts.push(Vec::new());
        }
        parts[part_of[first]].push(node);
    }
    parts
}

fn find(leader: &mut [usize], mut node: usize) -> usize {
    while leader[node] != node {
        leader[node] = leader[leader[node]];
        node = leader[node];
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(pairs: &[(usize, usize)]) -> Vec<Link> {
        let link = |&(from, to): &(usize, usize)| Link {
            from,
            to,
            label: None,
        };
        pairs.iter().map(link).collect()
    }

    #[test]
    fn ranks_are_the_longest_paths() {
        let links = links(&[(0, 1), (1, 2), (0, 3), (2, 3), (4, 5)]);
        assert_eq!(ranks(6, links.iter()), [0, 1, 2, 3, 0, 1]);
    }

    #[test]
    fn parts_are_what_hangs_together() {
        let links = links(&[(0, 2), (1, 4), (2, 5)]);
        assert_eq!(parts(6, links.iter()), [vec![0, 2, 5], vec![1, 4], vec![3]]);
    }
}
