"""Preferences of collections and conversations: kept until they are reset, and the order in which they hold."""

from __future__ import annotations

import pytest

from appliance.answer.preferred import effective, told
from appliance.errors import LibraryDamaged, NoSuchCollection, NoSuchConversation
from appliance.library.conversations import Conversations
from appliance.library.preferences import Preference, Preferences
from appliance.library.store import Library
from appliance.models.parameters import Parameters

WARM = Preference("small", {"temperature": 0.7, "seed": 3, "system": "Say “\ud800” 日本."})


def test_preferences_are_kept_replaced_and_reset(library: Library) -> None:
    preferences, collection = Preferences(library), library.ensure_collection("a").id
    assert preferences.get("collection", collection) == Preference()
    preferences.set("collection", collection, WARM)
    assert preferences.get("collection", collection) == WARM
    preferences.set("collection", collection, Preference("", {"evidence": 2}))
    assert preferences.get("collection", collection) == Preference("", {"evidence": 2})
    preferences.reset("collection", collection)
    preferences.reset("collection", collection)
    assert preferences.get("collection", collection) == Preference()
    preferences.set("collection", collection, WARM)
    preferences.set("collection", collection, Preference())
    assert preferences.get("collection", collection) == Preference()


def test_they_go_with_what_they_are_for(library: Library) -> None:
    preferences, conversations, collection = Preferences(library), Conversations(library), library.ensure_collection("a").id
    one, other = conversations.start(collection).id, conversations.start(collection).id
    for number in (one, other):
        preferences.set("conversation", number, Preference("canarymodel"))
    preferences.set("collection", collection, Preference("canarymodel"))
    conversations.remove(one)
    with pytest.raises(NoSuchConversation):
        preferences.get("conversation", one)
    assert preferences.get("conversation", other).model == "canarymodel"
    library.remove_collection("a")
    with pytest.raises(NoSuchConversation):
        preferences.set("conversation", other, WARM)
    with pytest.raises(NoSuchCollection):
        preferences.reset("collection", collection)
    library.close()
    assert b"canarymodel" not in (library.home / "library.sqlite3").read_bytes()


def test_what_was_changed_on_the_disk_is_not_used_and_can_be_reset(library: Library) -> None:
    preferences, collection = Preferences(library), library.ensure_collection("a").id
    preferences.set("collection", collection, WARM)
    with library.database.writing() as connection:
        connection.execute("UPDATE collection_preferences SET model = 'other'")
    with pytest.raises(LibraryDamaged):
        preferences.get("collection", collection)
    preferences.reset("collection", collection)
    assert preferences.get("collection", collection) == Preference()


def test_a_question_goes_before_its_conversation_and_that_before_its_collection(library: Library) -> None:
    preferences, collection = Preferences(library), library.ensure_collection("a").id
    conversation = Conversations(library).start(collection).id
    assert effective(preferences, collection) == ("", Parameters())
    preferences.set("collection", collection, Preference("of-collection", {"temperature": 0.7, "seed": 1, "evidence": 5}))
    preferences.set("conversation", conversation, Preference("of-conversation", {"seed": 2}))
    assert effective(preferences, collection) == ("of-collection", Parameters(temperature=0.7, seed=1, evidence=5))
    assert effective(preferences, collection, conversation) == ("of-conversation", Parameters(temperature=0.7, seed=2, evidence=5))
    asked = ("asked", Parameters(temperature=0.0))
    assert effective(preferences, collection, conversation, asked) == ("asked", Parameters(temperature=0.0, seed=2, evidence=5))


def test_a_preferred_model_that_was_removed_is_passed_over_and_an_asked_one_is_not(library: Library) -> None:
    preferences, collection = Preferences(library), library.ensure_collection("a").id
    preferences.set("collection", collection, Preference("gone"))
    assert effective(preferences, collection, is_there=lambda name: name != "gone")[0] == ""
    assert effective(preferences, collection, asked=("gone", Parameters()), is_there=lambda name: False)[0] == "gone"


def test_what_a_newer_haversack_keeps_is_left_aside() -> None:
    assert told(Preference("", {"temperature": 0.2, "mirostat": 2})) == Parameters(temperature=0.2)
