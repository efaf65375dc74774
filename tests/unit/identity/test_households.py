"""What one address teaches about relatives."""

from identity.modelling.households import UNKNOWN, Pattern, learn, strangeness

PERSONS = [[0.9, 0.1], [0.95, 0.05]]
RELATIVES = [[0.05, 0.95], [0.03, 0.97]]


def test_nothing_seen_leaves_what_was_believed() -> None:
    learnt = learn([], PERSONS, RELATIVES, one_person=0.5, strength=10)
    assert learnt.one_person == 0.5
    assert learnt.relatives == ((0.05, 0.95), (0.03, 0.97))


def test_where_sons_have_their_fathers_names_a_name_says_less() -> None:
    families = [Pattern((0, 1), 400), Pattern((1, 1), 400), Pattern((0, 0), 200)]
    learnt = learn(families, PERSONS, RELATIVES, one_person=0.5, strength=10)
    assert learnt.relatives[0][0] > 0.4
    assert learnt.relatives[1][0] < 0.05
    assert 0.1 < learnt.one_person < 0.3


def test_an_unknown_field_says_nothing() -> None:
    blank = learn([Pattern((UNKNOWN, UNKNOWN), 1000)], PERSONS, RELATIVES, one_person=0.5, strength=10)
    assert abs(blank.one_person - 0.5) < 0.01
    assert abs(blank.relatives[0][0] - 0.05) < 1e-9


def test_families_show_by_disagreeing_twice() -> None:
    assert strangeness([Pattern((1, 1), 30), Pattern((0, 0), 70)], PERSONS, RELATIVES) == 0.3
    assert strangeness([Pattern((1, 0), 30), Pattern((0, 0), 70)], PERSONS, RELATIVES) == 0.0
    assert strangeness([Pattern((1, UNKNOWN), 30)], PERSONS, RELATIVES) == 0.0
